// Command cli makes sure that a pulumi command is there to test with, builds it
// once if it must, and prints its path.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/prynai/prynai-mcp/infra-pulumi/enginetest/pulumicli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	cli, err := pulumicli.Find(ctx, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "pulumi:", err)
		os.Exit(1)
	}
	fmt.Println(cli.Path)
}
