package peer

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// TypeScript is the official SDK's server, in Node.js.
const TypeScript = "TypeScript SDK"

const typescriptSDK = "1.32.2"

//go:embed typescript/server.mjs
var typescriptServer []byte

// TypeScriptCommand installs the SDK into dir and returns how to run its
// server. An error says why that cannot be had on this machine.
func TypeScriptCommand(ctx context.Context, dir string) (*exec.Cmd, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, errors.New("no Node.js is installed")
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return nil, errors.New("no npm is installed")
	}
	manifest, err := json.Marshal(map[string]any{"private": true,
		"dependencies": map[string]string{"@modelcontextprotocol/sdk": typescriptSDK}})
	if err != nil {
		return nil, err
	}
	program := filepath.Join(dir, "server.mjs")
	if err := errors.Join(os.MkdirAll(dir, 0o755),
		os.WriteFile(filepath.Join(dir, "package.json"), manifest, 0o600),
		os.WriteFile(program, typescriptServer, 0o600)); err != nil {
		return nil, err
	}
	serve := exec.CommandContext(ctx, node, program)
	serve.Env = append(os.Environ(), "SDK="+dir, "NODE_ENV=production")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "@modelcontextprotocol", "sdk")); err == nil {
		return serve, nil
	}
	install := exec.CommandContext(ctx, npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--prefer-offline")
	install.Dir = dir
	if output, err := install.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("npm install: %w: %s", err, output)
	}
	return serve, nil
}
