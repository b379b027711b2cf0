// Package azurecache registers Azure's Redis resources by their type tokens, with types of its own.
//
// azure-native's Go module for Microsoft.Cache is not published where this project builds, while the provider plugin
// serves the resources like any other. The tokens, input names and output names here are those of azure-native 2.90.
// The keys that the functions answer are not marked as secrets by the provider: here they are.
package azurecache

import (
	"reflect"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Version is that of the azure-native plugin, the same as that of the SDK modules in go.mod.
const Version = "2.90.0"

// keys is what the key functions answer.
type keys struct {
	PrimaryKey   string `pulumi:"primaryKey"`
	SecondaryKey string `pulumi:"secondaryKey"`
}

type keysOutput struct{ *pulumi.OutputState }

// ElementType tells the SDK what the output holds.
func (keysOutput) ElementType() reflect.Type { return reflect.TypeFor[keys]() }

func init() { pulumi.RegisterOutputType(keysOutput{}) }

// key calls a key function and answers one of the two keys, as a secret. The function runs only once its
// arguments are known: it would fail in a preview of a cache that does not exist yet.
func key[Arguments any](ctx *pulumi.Context, function string, secondary bool, names pulumi.ArrayOutput, arguments func([]any) Arguments) pulumi.StringOutput {
	answer := names.ApplyT(func(names []any) keysOutput {
		return ctx.InvokeOutput(function, arguments(names), keysOutput{}, pulumi.InvokeOutputOptions{
			InvokeOptions: []pulumi.InvokeOption{pulumi.Version(Version)},
		}).(keysOutput)
	}).(keysOutput).ApplyT(func(k keys) string {
		if secondary {
			return k.SecondaryKey
		}
		return k.PrimaryKey
	})
	return pulumi.ToSecret(answer).(pulumi.StringOutput)
}

// register adds the plugin's version to the options.
func register(ctx *pulumi.Context, token, name string, inputs pulumi.Map, resource pulumi.CustomResource, options []pulumi.ResourceOption) error {
	return ctx.RegisterResource(token, name, inputs, resource, append([]pulumi.ResourceOption{pulumi.Version(Version)}, options...)...)
}
