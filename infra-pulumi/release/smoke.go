package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/prynai/prynai-mcp/infra-pulumi/release/proof"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
)

// smokeClient is the smoke client. Its own settings, the client's secret among them, come from .env.
type smokeClient struct {
	proof.Client
	folder string // removed in the end, with the program
}

// buildSmoke compiles the smoke client into a folder of its own, until remove.
func buildSmoke(ctx context.Context) (*smokeClient, error) {
	folder, err := os.MkdirTemp("", "prynai-smoke-")
	if err != nil {
		return nil, err
	}
	s := &smokeClient{proof.Client{Path: filepath.Join(folder, "smoke")}, folder}
	if runtime.GOOS == "windows" {
		s.Path += ".exe"
	}
	if err := proof.Build(ctx, s.Path); err != nil {
		s.remove()
		return nil, err
	}
	return s, nil
}

func (s *smokeClient) remove() { _ = os.RemoveAll(s.folder) } // it is a temporary one

// smokeEnvironment is what the stack knows of the settings that the client needs. What it does not, .env must.
func smokeEnvironment(ctx context.Context, s auto.Stack) ([]string, error) {
	all, err := s.GetAllConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the stack's configuration: %w", err)
	}
	environment := []string{"AUTH_REQUIRED=true"} // as the stack declares it
	for key, variable := range map[string]string{
		"entra:tenantId": "ENTRA_TENANT_ID", "entra:serverAppId": "SERVER_APP_ID", "entra:authority": "ENTRA_AUTHORITY",
	} {
		if value := all[key].Value; value != "" {
			environment = append(environment, variable+"="+value)
		}
	}
	return environment, nil
}

// token proves that the client gets a token, which a release must not find out half-way.
func (s *smokeClient) token(ctx context.Context) error {
	if log, err := s.Command(ctx, "token", "--json").CombinedOutput(); err != nil {
		return missing("the smoke client, which proves a release, gets no token", strings.ReplaceAll(strings.TrimSpace(string(log)), "\n", "\n      "))
	}
	return nil
}
