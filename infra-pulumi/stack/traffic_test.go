package stack

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// unreadable is a state that cannot be read the first times.
type unreadable struct{ times int }

func (*unreadable) NewResource(pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	return "", nil, errors.New("nothing is declared")
}

func (u *unreadable) Call(pulumi.MockCallArgs) (resource.PropertyMap, error) {
	if u.times > 0 {
		u.times--
		return nil, errors.New("failed to load checkpoint: EOF")
	}
	return resource.NewPropertyMapFromMap(map[string]any{"outputs": map[string]any{"live": "app--1", "previous": "app--0"}}), nil
}

func TestRecordedReleaseIsReadAgain(t *testing.T) {
	for _, test := range []struct {
		times int
		live  string
	}{{0, "app--1"}, {readTries - 1, "app--1"}, {readTries, ""}} {
		synctest.Test(t, func(t *testing.T) {
			var got *Release
			var err error
			run := pulumi.RunErr(func(ctx *pulumi.Context) error {
				got, err = recordedRelease(ctx)
				return nil
			}, pulumi.WithMocks("project", "stack", &unreadable{test.times}))
			if run != nil {
				t.Fatal(run)
			}
			if (err != nil) != (test.live == "") || err == nil && (got.Live != test.live || got.Previous != "app--0") {
				t.Errorf("unreadable %d times: %+v, %v", test.times, got, err)
			}
		})
	}
}
