// Package azurecache registers Azure's Redis resources by their type tokens, with types of its own.
//
// azure-native's Go module for Microsoft.Cache is not published where this project builds, while the provider plugin
// serves the resources like any other. The tokens, input names and output names here are those of azure-native 2.90.
// The keys that the functions answer are not marked as secrets by the provider: here they are.
package azurecache

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Version is that of the azure-native plugin, the same as that of the SDK modules in go.mod.
const Version = "2.90.0"

// keys is what the key functions answer.
type keys struct {
	PrimaryKey   string `pulumi:"primaryKey"`
	SecondaryKey string `pulumi:"secondaryKey"`
}

// key calls a key function and answers one of the two keys, as a secret. The function runs only once its arguments are
// known: it would fail in a preview of a cache that does not exist yet.
func key[Arguments any](ctx *pulumi.Context, function string, secondary bool, names pulumi.ArrayOutput, arguments func([]any) Arguments) pulumi.StringOutput {
	return Key(ctx, names, func(names []any) (string, error) {
		args, answer := arguments(names), keys{}
		err := ctx.Invoke(function, &args, &answer, pulumi.Version(Version))
		if secondary {
			return answer.SecondaryKey, err
		}
		return answer.PrimaryKey, err
	})
}

// Key asks for a key once the names that it takes are known, and answers it as a secret. Whoever previews may have an
// identity that only reads: it is refused, and the key is one that is not known before the deployment.
func Key(ctx *pulumi.Context, names pulumi.ArrayOutput, ask func(names []any) (string, error)) pulumi.StringOutput {
	answer := names.ApplyT(func(names []any) (pulumi.StringOutput, error) {
		key, err := ask(names)
		if err != nil && ctx.DryRun() {
			unknown := pulumi.UnsafeUnknownOutput(nil).(pulumi.AnyOutput)
			return pulumi.StringOutput(unknown), ctx.Log.Info(
				fmt.Sprintf("the preview may not read the keys, and shows what depends on them as not known: %v", err), nil)
		}
		return pulumi.String(key).ToStringOutput(), err
	})
	return pulumi.ToSecret(answer).(pulumi.StringOutput)
}

// register adds the plugin's version to the options.
func register(ctx *pulumi.Context, token, name string, inputs pulumi.Map, resource pulumi.CustomResource, options []pulumi.ResourceOption) error {
	return ctx.RegisterResource(token, name, inputs, resource, append([]pulumi.ResourceOption{pulumi.Version(Version)}, options...)...)
}
