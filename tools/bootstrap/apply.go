package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"
)

// How long Azure may take to know a right or an identity, and how often that is tried.
const (
	patience = 5 * time.Minute
	pause    = 10 * time.Second
)

// apply runs the plan.
func (p *plan) apply(ctx context.Context, az azFunc, out io.Writer) error {
	known := map[string]string{}
	for _, s := range p.steps {
		answer, made, err := s.apply(ctx, az, known)
		if err != nil {
			return fmt.Errorf("%s: %w", s.why, err)
		}
		mark := "there"
		if made {
			mark = "done"
		}
		fmt.Fprintf(out, "%-6s %s\n", mark, s.why)
		if s.name == "" {
			continue
		}
		if answer == "" {
			return fmt.Errorf("%s: the Azure CLI answered nothing", s.why)
		}
		known[s.name] = answer
	}
	_, err := fmt.Fprint(out, "\n", os.Expand(p.rest(), func(name string) string { return known[name] }))
	return err
}

func (s step) apply(ctx context.Context, az azFunc, known map[string]string) (answer string, made bool, err error) {
	fill := func(args []string) []string {
		filled := make([]string, len(args))
		for i, arg := range args {
			filled[i] = os.Expand(arg, func(name string) string { return known[name] })
		}
		return filled
	}
	if s.find != nil {
		if answer, err := az(ctx, fill(s.find)...); err == nil && answer != "" {
			return answer, false, nil
		}
	}
	for began := time.Now(); ; {
		answer, err = az(ctx, fill(s.make)...)
		if err == nil || !s.slow || ctx.Err() != nil || time.Since(began) > patience {
			return answer, true, err
		}
		select {
		case <-ctx.Done():
			return "", true, context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// print writes the plan as a script for a POSIX shell.
func (p *plan) print(out io.Writer) error {
	var b strings.Builder
	b.WriteString("# Nothing was done. --apply runs these commands, which you may also run yourself; what is there already stays.\nset -eu\n")
	for _, s := range p.steps {
		fmt.Fprintf(&b, "\n# %s\n", s.why)
		making := "az " + shell(s.make)
		if s.find != nil {
			making = fmt.Sprintf("az %s 2>/dev/null | grep . || %s", shell(s.find), making)
		}
		if s.name != "" {
			making = fmt.Sprintf("%s=$(%s)", s.name, making)
		}
		b.WriteString(making + "\n")
	}
	fmt.Fprintf(&b, "\ncat <<END\n%sEND\n", p.rest())
	_, err := io.WriteString(out, b.String())
	return err
}

// rest is what remains to be done on GitHub, where this program has no rights.
func (p *plan) rest() string {
	return fmt.Sprintf(`On GitHub, with its CLI:
  gh api --method PUT repos/%[1]s/environments/production
  gh api --method PUT repos/%[1]s/environments/preview
  gh variable set AZURE_TENANT_ID --repo %[1]s --body ${tenant}
  gh variable set AZURE_SUBSCRIPTION_ID --repo %[1]s --body ${subscription}
  gh variable set PULUMI_BACKEND_URL --repo %[1]s --body 'azblob://%[2]s?storage_account=%[3]s'
  gh variable set AZURE_CLIENT_ID --repo %[1]s --env production --body ${deployApp}
  gh variable set AZURE_CLIENT_ID --repo %[1]s --env preview --body ${previewApp}
  gh variable set SERVER_APP_ID --repo %[1]s --body ID-OF-THE-SERVER-APP
Require reviewers for both environments (Settings, Environments), and let the deploying identity call the server,
as the smoke client does after each deployment:
  go tool task entra -- --grant ${deployApp} --apply
Make the stack, once, and commit what it adds to Pulumi.prod.yaml (an encrypted key, which is no secret):
  pulumi login 'azblob://%[2]s?storage_account=%[3]s'
  pulumi stack init prod --secrets-provider 'azurekeyvault://%[4]s.vault.azure.net/keys/%[5]s'
`, p.repository, container, p.storage, p.vault, key)
}

var plain = regexp.MustCompile(`^[A-Za-z0-9_./:=@%+-]+$`)

// shell quotes arguments for a POSIX shell, which fills in ${names}.
func shell(args []string) string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		switch {
		case plain.MatchString(arg):
			quoted[i] = arg
		case strings.Contains(arg, "${"):
			quoted[i] = `"` + arg + `"` // no argument with a variable has anything else to quote
		default:
			quoted[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}
