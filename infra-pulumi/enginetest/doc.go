// Package enginetest runs the deployment's program with the real Pulumi engine: by the
// Automation API and by the pulumi command itself, against a pretend Azure (package
// standin) and a registry on loopback. The state lies in a temporary folder; nothing
// leaves this machine.
//
// The tests run only where PRYNAI_ENGINE=1 is set, as `go tool task engine` does: they
// need a pulumi command, which takes minutes to build the first time (package pulumicli).
package enginetest
