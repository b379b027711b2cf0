package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
)

// step is one thing that is to be there.
type step struct {
	why string
	// find prints what is there already, or fails; nil: making it twice does no harm.
	find []string
	// make makes it. Arguments may use what earlier steps printed: ${name}.
	make []string
	// name is what later steps know the answer of find, or of make, by.
	name string
	// slow steps need rights that were given a moment ago, which Azure takes minutes to know.
	slow bool
}

// plan is everything, in the order of what needs what.
type plan struct {
	repository string
	steps      []step
	storage    string
	vault      string
}

const (
	group     = "prynai-mcp-state"
	container = "pulumi"
	key       = "pulumi"
)

// The environments of the workflows; GitHub names them in the tokens that Entra trusts.
const (
	production = "production"
	preview    = "preview"
)

func newPlan(repository, location string) *plan {
	// Both names must be unique in Azure, and the same in the next run.
	suffix := fmt.Sprintf("%x", sha256.Sum256([]byte(strings.ToLower(repository))))[:10]
	p := &plan{repository: repository, storage: "prynaimcp" + suffix, vault: "prynai-mcp-" + suffix}
	p.where()
	p.state(location)
	p.identity("deploy", production)
	p.identity("preview", preview)
	p.roles()
	return p
}

func (p *plan) add(s step) { p.steps = append(p.steps, s) }

func (p *plan) where() {
	p.add(step{why: "the subscription", name: "subscription", make: words("account show --query id --output tsv")})
	p.add(step{why: "its tenant", name: "tenant", make: words("account show --query tenantId --output tsv")})
	p.add(step{why: "who runs this", name: "me", make: words("ad signed-in-user show --query id --output tsv")})
}

// state makes where Pulumi keeps its state and the key that encrypts the secrets in it.
func (p *plan) state(location string) {
	p.add(step{why: "a group for what no deployment may delete", make: words("group create --name %s --location %s --output none", group, location)})
	p.add(step{why: "storage for Pulumi's state, opened by Entra alone", name: "account",
		find: words("storage account show --name %s --resource-group %s --query id --output tsv", p.storage, group),
		make: words("storage account create --name %s --resource-group %s --location %s --sku Standard_ZRS --kind StorageV2 --min-tls-version TLS1_2 --https-only true --allow-blob-public-access false --allow-shared-key-access false --query id --output tsv", p.storage, group, location)})
	p.add(step{why: "old versions of the state are kept for a month",
		make: words("storage account blob-service-properties update --account-name %s --resource-group %s --enable-versioning true --enable-delete-retention true --delete-retention-days 30 --output none", p.storage, group)})
	p.assign("who runs this may use the storage", "Storage Blob Data Contributor", "${me}", "User", "${account}")
	p.add(step{why: "a container in it", slow: true,
		make: words("storage container create --name %s --account-name %s --auth-mode login --output none", container, p.storage)})
	p.add(step{why: "a vault for the key, which cannot be purged: without the key the state's secrets are lost", name: "vault",
		find: words("keyvault show --name %s --resource-group %s --query id --output tsv", p.vault, group),
		make: words("keyvault create --name %s --resource-group %s --location %s --enable-rbac-authorization true --enable-purge-protection true --query id --output tsv", p.vault, group, location)})
	p.assign("who runs this may make a key", "Key Vault Crypto Officer", "${me}", "User", "${vault}")
	p.add(step{why: "the key", slow: true,
		find: words("keyvault key show --vault-name %s --name %s --query key.kid --output tsv", p.vault, key),
		make: words("keyvault key create --vault-name %s --name %s --kty RSA --size 3072 --ops encrypt decrypt --output none", p.vault, key)})
}

// identity makes an app in Entra that a workflow of this repository, in one environment, can sign in as.
func (p *plan) identity(name, environment string) {
	display := "prynai-mcp-" + name
	app, principal := name+"App", name+"Principal"
	p.add(step{why: "the identity of the workflow's environment " + environment, name: app,
		find: words("ad app list --display-name %s --query [0].appId --output tsv", display),
		make: words("ad app create --display-name %s --sign-in-audience AzureADMyOrg --query appId --output tsv", display)})
	p.add(step{why: "its principal", name: principal, slow: true,
		find: words("ad sp show --id ${%s} --query id --output tsv", app),
		make: words("ad sp create --id ${%s} --query id --output tsv", app)})
	credential, err := json.Marshal(map[string]any{
		"name":      "github-" + environment,
		"issuer":    "https://token.actions.githubusercontent.com",
		"subject":   "repo:" + p.repository + ":environment:" + environment,
		"audiences": []string{"api://AzureADTokenExchange"},
	})
	if err != nil {
		panic(err) // strings are always marshalled
	}
	p.add(step{why: "only that environment of that repository may sign in as it", slow: true,
		find: words("ad app federated-credential show --id ${%s} --federated-credential-id github-%s --query id --output tsv", app, environment),
		make: append(words("ad app federated-credential create --id ${%s} --output none --parameters", app), string(credential))})
}

// roles are the least that the workflows need.
func (p *plan) roles() {
	const subscription, service = "/subscriptions/${subscription}", "ServicePrincipal"
	p.assign("deploy makes resources", "Contributor", "${deployPrincipal}", service, subscription)
	p.assign("deploy assigns the two roles that the app needs, and no others", "Role Based Access Control Administrator", "${deployPrincipal}", service, subscription,
		"--condition-version", "2.0", "--condition", condition)
	p.assign("deploy keeps the state", "Storage Blob Data Contributor", "${deployPrincipal}", service, "${account}")
	p.assign("deploy encrypts what is secret in it", "Key Vault Crypto User", "${deployPrincipal}", service, "${vault}")
	p.assign("preview reads resources, and none of their keys", "Reader", "${previewPrincipal}", service, subscription)
	p.assign("preview reads the state", "Storage Blob Data Reader", "${previewPrincipal}", service, "${account}")
	p.assign("preview decrypts what is secret in it", "Key Vault Crypto User", "${previewPrincipal}", service, "${vault}")
}

// condition allows to assign and take back AcrPull and Key Vault Secrets User only.
const condition = "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR " +
	"(@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {" + assignable + "})) AND " +
	"((!(ActionMatches{'Microsoft.Authorization/roleAssignments/delete'})) OR " +
	"(@Resource[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {" + assignable + "}))"

const assignable = "7f951dda-4ed3-4680-a7ca-43fe172d538d, 4633458b-17de-408a-874b-0445c86b69e6"

func (p *plan) assign(why, role, principal, kind, scope string, more ...string) {
	args := append(words("role assignment create --assignee-object-id %s --assignee-principal-type %s --scope %s --output none", principal, kind, scope), "--role", role)
	p.add(step{why: why, slow: true, make: append(args, more...)})
}

// words splits a command; none of what is put into it has spaces.
func words(format string, args ...any) []string { return strings.Fields(fmt.Sprintf(format, args...)) }
