package stack

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/uuid"
	"github.com/pulumi/pulumi-azure-native-sdk/authorization/v2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// names is the one convention for the names and tags of Azure's resources. Within the resource group everything is
// called <project>-<stack>: the type of a resource tells the rest. A name that must be unique in the whole of Azure
// ends in a hash of subscription, project and stack. All are valid for any project and stack name, and known before
// anything exists.
type names struct {
	subscription string
	project      string
	stack        string
}

// Azure's narrowest limits within a group: a log workspace's name is no shorter, a container app's no longer.
const shortest, longest = 4, 32

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

func nameResources(ctx *pulumi.Context) (names, error) {
	client, err := authorization.GetClientConfig(ctx)
	if err != nil {
		return names{}, fmt.Errorf("ask Azure for the subscription: %w; log in with `az login`, and choose one with `az account set --subscription NAME`", err)
	}
	return names{client.SubscriptionId, ctx.Project(), ctx.Stack()}, nil
}

// local is the name of everything whose name is its own within the resource group. Where Azure's alphabet cannot
// express the stack's name, a hash keeps two stacks apart.
func (n names) local() string {
	wanted := n.project + "-" + n.stack
	name := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(wanted), "-"), "-")
	if len(name) < shortest || name[0] < 'a' {
		name = strings.TrimSuffix("mcp-"+name, "-")
	}
	if name == wanted && len(name) <= longest {
		return name
	}
	hash := hash(wanted)[:6]
	return strings.TrimSuffix(name[:min(len(name), longest-1-len(hash))], "-") + "-" + hash
}

// global is a name that is unique in Azure.
func (n names) global() string { return n.local() + "-" + n.unique() }

// registry is a global name without hyphens, which a registry may not have.
func (n names) registry() string { return strings.ReplaceAll(n.global(), "-", "") }

// vault is a global name of at most 24 characters.
func (n names) vault() string {
	return strings.TrimSuffix(n.local()[:min(len(n.local()), 15)], "-") + "-" + n.unique()
}

// role names a role assignment, which must be a GUID.
func (n names) role(what string) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(n.unique()+" "+what)).String()
}

func (n names) unique() string {
	return hash(strings.Join([]string{n.subscription, n.project, n.stack}, "\n"))[:8]
}

func (n names) tags() pulumi.StringMap {
	return pulumi.StringMap{
		"project":    pulumi.String(n.project),
		"stack":      pulumi.String(n.stack),
		"managed-by": pulumi.String("pulumi"),
	}
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return strings.ToLower(base32.HexEncoding.EncodeToString(sum[:]))
}
