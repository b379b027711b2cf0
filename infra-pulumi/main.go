// Command infra-pulumi is the program that `pulumi up` runs: package stack says what it provisions.
package main

import (
	"github.com/prynai/prynai-mcp/infra-pulumi/stack"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

func main() { pulumi.Run(stack.Deploy) }
