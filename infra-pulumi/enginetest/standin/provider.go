package standin

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
)

// version is that of the SDK modules that the program uses.
var version = semver.MustParse("2.90.0")

// provider is what the engine takes for azure-native.
type provider struct {
	plugin.UnimplementedProvider
	cloud    *Cloud
	location atomic.Value // string: azure-native:location
}

func (p *provider) Attach(string) error                      { return nil }
func (p *provider) Close() error                             { return nil }
func (p *provider) SignalCancellation(context.Context) error { return nil }

func (p *provider) Handshake(context.Context, plugin.ProviderHandshakeRequest) (*plugin.ProviderHandshakeResponse, error) {
	return &plugin.ProviderHandshakeResponse{AcceptSecrets: true}, nil
}

func (p *provider) GetPluginInfo(context.Context) (plugin.PluginInfo, error) {
	return plugin.PluginInfo{Version: &version}, nil
}

func (p *provider) GetSchema(context.Context, plugin.GetSchemaRequest) (plugin.GetSchemaResponse, error) {
	return plugin.GetSchemaResponse{Schema: []byte(`{"name":"azure-native","version":"` + version.String() + `"}`)}, nil
}

func (p *provider) CheckConfig(_ context.Context, r plugin.CheckConfigRequest) (plugin.CheckConfigResponse, error) {
	return plugin.CheckConfigResponse{Properties: r.News}, nil
}

func (p *provider) DiffConfig(context.Context, plugin.DiffConfigRequest) (plugin.DiffConfigResponse, error) {
	return plugin.DiffResult{Changes: plugin.DiffNone}, nil
}

func (p *provider) Configure(_ context.Context, r plugin.ConfigureRequest) (plugin.ConfigureResponse, error) {
	if location, ok := plain(marked(r.Inputs["location"])).(string); ok {
		p.location.Store(location)
	}
	return plugin.ConfigureResponse{}, nil
}

// Check names the resource, places it, and checks the request that would be sent.
func (p *provider) Check(_ context.Context, r plugin.CheckRequest) (plugin.CheckResponse, error) {
	k, err := kindOf(string(r.Type))
	if err != nil {
		return plugin.CheckResponse{}, err
	}
	inputs := r.News.Copy()
	own := resource.PropertyKey(k.ownName())
	if _, given := inputs[own]; !given {
		name, kept := r.Olds[own]
		if !kept {
			text, err := k.name(r.RandomSeed, r.Name)
			if err != nil {
				return plugin.CheckResponse{}, err
			}
			name = resource.NewProperty(text)
		}
		inputs[own] = name
	}
	if location, known := p.location.Load().(string); known && k.located && !inputs.HasValue("location") {
		inputs["location"] = resource.NewProperty(location)
	}
	response := plugin.CheckResponse{Properties: inputs}
	for _, problem := range p.cloud.check(k, markedMap(inputs)) {
		response.Failures = append(response.Failures, plugin.CheckFailure{
			Property: resource.PropertyKey(strings.TrimPrefix(problem.Path, "properties.")),
			Reason:   problem.Reason + " (" + k.arm + "@" + k.api + ")",
		})
	}
	return response, nil
}

func (p *provider) Diff(_ context.Context, r plugin.DiffRequest) (plugin.DiffResponse, error) {
	k, err := kindOf(string(r.Type))
	if err != nil {
		return plugin.DiffResponse{}, err
	}
	diff := r.OldInputs.Diff(r.NewInputs, resource.IsInternalPropertyKey)
	if diff == nil {
		return plugin.DiffResult{Changes: plugin.DiffNone}, nil
	}
	result := plugin.DiffResult{
		Changes:      plugin.DiffSome,
		ChangedKeys:  diff.ChangedKeys(),
		DetailedDiff: plugin.NewDetailedDiffFromObjectDiff(diff, true),
	}
	for _, input := range result.ChangedKeys {
		if k.replaces(string(input)) {
			result.ReplaceKeys = append(result.ReplaceKeys, input)
			result.DeleteBeforeReplace = true // the new one may have the same name
		}
	}
	return result, nil
}

func (p *provider) Create(_ context.Context, r plugin.CreateRequest) (plugin.CreateResponse, error) {
	k, err := kindOf(string(r.Type))
	if err != nil {
		return plugin.CreateResponse{}, err
	}
	inputs := markedMap(r.Properties)
	if r.Preview {
		return plugin.CreateResponse{Properties: withSecrets(properties(p.cloud.foreseen(k, inputs)), r.Properties)}, nil
	}
	id := k.id(p.cloud.options.Subscription, plain(inputs).(object))
	out, err := p.write(Create, r.Name, id, k, r.Properties)
	return plugin.CreateResponse{ID: resource.ID(id), Properties: out}, err
}

func (p *provider) Update(_ context.Context, r plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	k, err := kindOf(string(r.Type))
	if err != nil {
		return plugin.UpdateResponse{}, err
	}
	if r.Preview {
		return plugin.UpdateResponse{Properties: withSecrets(properties(p.cloud.foreseen(k, markedMap(r.NewInputs))), r.NewInputs)}, nil
	}
	out, err := p.write(Update, r.Name, string(r.ID), k, r.NewInputs)
	return plugin.UpdateResponse{Properties: out}, err
}

// write creates or updates a resource and answers its outputs.
func (p *provider) write(op Operation, name, id string, k kind, inputs resource.PropertyMap) (resource.PropertyMap, error) {
	failure := p.cloud.failure(op, name)
	if failure.Err != nil && !failure.Late {
		return nil, failure.Err
	}
	out, err := p.cloud.write(op, name, id, k, plain(markedMap(inputs)).(object))
	if err != nil {
		return nil, err
	}
	state := withSecrets(properties(out), inputs)
	if failure.Err != nil {
		return nil, halfDone(id, state, failure.Err)
	}
	return state, nil
}

// halfDone is the error of an operation that began: the engine keeps what there is,
// and takes the resource up again the next time.
func halfDone(id string, state resource.PropertyMap, cause error) error {
	fields, err := plugin.MarshalProperties(state, plugin.MarshalOptions{KeepSecrets: true})
	if err != nil {
		return err
	}
	return rpcerror.WithDetails(rpcerror.New(codes.Unknown, cause.Error()), &pulumirpc.ErrorResourceInitFailed{
		Id: id, Properties: fields, Reasons: []string{cause.Error()}})
}

func (p *provider) Read(_ context.Context, r plugin.ReadRequest) (plugin.ReadResponse, error) {
	now, ok := p.cloud.read(string(r.ID))
	if !ok {
		return plugin.ReadResponse{}, nil // it is gone
	}
	outputs := properties(now)
	inputs := driftedMap(r.Inputs, r.State, outputs)
	return plugin.ReadResponse{ReadResult: plugin.ReadResult{
		ID: r.ID, Inputs: inputs, Outputs: withSecrets(outputs, inputs)}}, nil
}

func (p *provider) Delete(_ context.Context, r plugin.DeleteRequest) (plugin.DeleteResponse, error) {
	failure := p.cloud.failure(Delete, r.Name)
	if failure.Err != nil && !failure.Late {
		return plugin.DeleteResponse{}, failure.Err
	}
	return plugin.DeleteResponse{}, errors.Join(p.cloud.delete(string(r.ID)), failure.Err)
}

func (p *provider) Invoke(_ context.Context, r plugin.InvokeRequest) (plugin.InvokeResponse, error) {
	out, err := p.cloud.call(string(r.Tok), plain(markedMap(r.Args)).(object))
	if err != nil {
		return plugin.InvokeResponse{}, err
	}
	return plugin.InvokeResponse{Properties: properties(out)}, nil
}
