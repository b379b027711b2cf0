package main

import (
	"os"
	"testing"

	"github.com/prynai/prynai-mcp/server/internal/conformance"
)

// asReplica, in the environment, makes this test binary a replica of the server
// with the surface that it names.
const asReplica = "PRYNAI_TEST_REPLICA"

var surfaces = map[string]func(build string) mcpSurface{
	"product":     product,
	"busy":        newBusySurface,
	"conformance": func(build string) mcpSurface { return conformance.New(build) },
}

func TestMain(m *testing.M) {
	if newSurface, ok := surfaces[os.Getenv(asReplica)]; ok {
		os.Exit(runUntilSignal(newSurface))
	}
	os.Exit(m.Run())
}
