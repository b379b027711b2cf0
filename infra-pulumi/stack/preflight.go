package stack

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi-azure-native-sdk/authorization/v2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"golang.org/x/sync/errgroup"
)

// Registration is how far a resource provider is registered in a subscription. Azure makes no resource of one that is
// not, and the Pulumi provider registers none.
type Registration string

// Registered is the state of a resource provider that can be used.
const Registered Registration = "Registered"

// RegistrationFunc asks for the state of a resource provider such as Microsoft.App.
type RegistrationFunc func(ctx context.Context, namespace string) (Registration, error)

// AllRegistered is for where there is no Azure to ask.
func AllRegistered(context.Context, string) (Registration, error) { return Registered, nil }

// preflight names the resource providers that are missing, before the deployment fails at one after the other. A state
// that cannot be learned is no reason not to deploy.
func (p Program) preflight(ctx *pulumi.Context, config *config, subscription string) error {
	ask := p.Registration
	if ask == nil {
		var err error
		if ask, err = askManager(ctx, ManagerEndpoint(config.azure), subscription); err != nil {
			return err
		}
	}
	namespaces := config.namespaces()
	states := make([]Registration, len(namespaces))
	limited, cancel := context.WithTimeout(ctx.Context(), 20*time.Second)
	defer cancel()
	work, limited := errgroup.WithContext(limited)
	for i, namespace := range namespaces {
		work.Go(func() (err error) { states[i], err = ask(limited, namespace); return err })
	}
	if err := work.Wait(); err != nil {
		return ctx.Log.Debug(fmt.Sprintf("whether the resource providers are registered is not known: %v", err), nil)
	}
	var missing, pending []string
	for i, namespace := range namespaces {
		switch states[i] {
		case Registered:
		case "Registering":
			pending = append(pending, namespace)
		default:
			missing = append(missing, "  az provider register --wait --namespace "+namespace)
		}
	}
	switch {
	case len(missing) > 0:
		return fmt.Errorf("subscription %s may not use what this stack needs; once per subscription:\n%s", subscription, strings.Join(missing, "\n"))
	case len(pending) > 0:
		return fmt.Errorf("subscription %s is still registering %s; try again in a minute or two", subscription, strings.Join(pending, ", "))
	}
	return nil
}

// namespaces are the resource providers of everything that a configuration makes.
func (c *config) namespaces() []string {
	all := []string{"Microsoft.App", "Microsoft.ContainerRegistry", "Microsoft.ManagedIdentity", "Microsoft.OperationalInsights"}
	if c.redisKind != existingRedis {
		all = append(all, "Microsoft.Cache")
	}
	if len(c.alertEmails) > 0 || c.diagnostics {
		all = append(all, "Microsoft.Insights")
	}
	if c.zoneRedundant || c.private {
		all = append(all, "Microsoft.Network")
	}
	if c.secretStore == vaultStore {
		all = append(all, "Microsoft.KeyVault")
	}
	slices.Sort(all)
	return all
}

// askManager asks Azure Resource Manager with the login that the Pulumi provider uses.
func askManager(ctx *pulumi.Context, endpoint, subscription string) (RegistrationFunc, error) {
	token, err := authorization.GetClientToken(ctx, &authorization.GetClientTokenArgs{})
	if err != nil {
		return nil, fmt.Errorf("ask the Azure login for a token: %w; log in with `az login`", err)
	}
	return func(ctx context.Context, namespace string) (Registration, error) {
		address := endpoint + "/subscriptions/" + url.PathEscape(subscription) + "/providers/" + namespace + "?api-version=2021-04-01"
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return "", err
		}
		request.Header.Set("Authorization", "Bearer "+token.Token)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return "", err
		}
		defer func() { _ = response.Body.Close() }() // nothing is lost: the body was read or is not wanted
		if response.StatusCode != http.StatusOK {
			return "", fmt.Errorf("%s: Azure answered %s", namespace, response.Status)
		}
		var provider struct {
			RegistrationState Registration `json:"registrationState"`
		}
		err = json.NewDecoder(io.LimitReader(response.Body, 16<<20)).Decode(&provider)
		return provider.RegistrationState, err
	}, nil
}

// ManagerEndpoint is Azure Resource Manager's in the cloud that the Pulumi provider is configured for. ARM_ENDPOINT
// names one of a cloud that has no name there.
func ManagerEndpoint(environment string) string {
	public := map[string]string{
		"usgovernment": "https://management.usgovcloudapi.net",
		"china":        "https://management.chinacloudapi.cn",
	}
	name := strings.ToLower(cmp.Or(environment, os.Getenv("ARM_ENVIRONMENT")))
	return strings.TrimSuffix(cmp.Or(os.Getenv("ARM_ENDPOINT"), public[name], "https://management.azure.com"), "/")
}
