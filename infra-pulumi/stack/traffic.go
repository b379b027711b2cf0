package stack

import (
	"fmt"
	"time"

	app "github.com/pulumi/pulumi-azure-native-sdk/app/v2/v20250101"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Release is how one run of the program treats the app's revisions. The release command sets it; a plain
// `pulumi up` carries on with what the last run recorded in the stack's outputs.
//
// Nothing else may move traffic: the next run would overwrite it.
type Release struct {
	// Live is the revision that has all the traffic; a changed template then makes another one without any. Empty,
	// as in the first deployment: Azure gives all of it to the newest revision once that is ready.
	Live string
	// Previous is the revision that a rollback returns to. It is recorded, and has no effect.
	Previous string
	// KeepTemplate leaves the app's template as it was deployed last, so that no revision is made.
	KeepTemplate bool
}

// readOutputs is the engine's function behind a stack reference. Called as a function it leaves no resource in the
// state, which every refresh would report as changed.
const readOutputs = "pulumi:pulumi:readStackOutputs"

// How often outputs are read before they cannot be.
const (
	readTries = 4
	readPause = 250 * time.Millisecond
)

// recordedRelease is what the last run left in this stack's own outputs.
func recordedRelease(ctx *pulumi.Context) (*Release, error) {
	type arguments struct {
		Name string `pulumi:"name"`
	}
	var last struct {
		Outputs map[string]any `pulumi:"outputs"`
	}
	own := fmt.Sprintf("%s/%s/%s", ctx.Organization(), ctx.Project(), ctx.Stack())
	// The engine may be writing the state that it reads here. Where that lies in files this is not one step, and has
	// been seen to fail: "failed to load checkpoint: EOF".
	for try := 1; ; try++ {
		err := ctx.Invoke(readOutputs, &arguments{own}, &last)
		if err == nil {
			break
		}
		if try == readTries {
			return nil, fmt.Errorf("read this stack's own outputs: %w", err)
		}
		time.Sleep(readPause)
	}
	recorded := new(Release) // a stack that was never released has neither
	recorded.Live, _ = last.Outputs["live"].(string)
	recorded.Previous, _ = last.Outputs["previous"].(string)
	if recorded.Live == "" {
		return recorded, nil
	}
	return recorded, ctx.Log.Info(fmt.Sprintf(
		"the traffic stays with revision %s: a new one is only staged; `go tool task deploy` proves it and moves the traffic", recorded.Live), nil)
}

// mode keeps several revisions at a time once one is named to have the traffic.
func (r *Release) mode() pulumi.String {
	if r.Live == "" {
		return "Single"
	}
	return "Multiple"
}

// traffic is one entry by name. An entry for the latest revision would move traffic to whatever is staged.
func (r *Release) traffic() app.TrafficWeightArrayInput {
	if r.Live == "" {
		return nil
	}
	return app.TrafficWeightArray{app.TrafficWeightArgs{RevisionName: pulumi.String(r.Live), Weight: pulumi.Int(100)}}
}

func (r *Release) options() []pulumi.ResourceOption {
	if !r.KeepTemplate {
		return nil
	}
	return []pulumi.ResourceOption{pulumi.IgnoreChanges([]string{"template"})}
}
