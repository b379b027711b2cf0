package evaluate

import (
	"errors"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

type made struct{ pulumi.CustomResourceState }

func declare(tokens ...string) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		for i, token := range tokens {
			inputs := pulumi.Map{"key": pulumi.ToSecret(pulumi.String("value"))}
			if err := ctx.RegisterResource(token, string(rune('a'+i)), inputs, new(made)); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestResource(t *testing.T) {
	d, err := Run(declare("azure-native:app/v20250101:ContainerApp", "azure-native:app:Job", "azure-native:app:Job"), Options{Project: "p", Stack: "s"})
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{"azure-native:app/v20250101:ContainerApp", "azure-native:app:ContainerApp"} {
		r, err := d.Resource(token)
		if err != nil || r.Name != "a" {
			t.Errorf("%s: %+v, %v", token, r, err)
		}
		if !r.Inputs["key"].IsSecret() || Revealed(r.Inputs["key"]) != "value" {
			t.Errorf("%s: the input is %v", token, r.Inputs["key"])
		}
	}
	for token, want := range map[string]string{
		"azure-native:app/v20220101:ContainerApp": "0 resources", "azure-native:app:Job": "2 resources",
	} {
		if _, err := d.Resource(token); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", token, err, want)
		}
	}
}

func TestProgramsErrorIsTold(t *testing.T) {
	mistake := errors.New("a mistake")
	if _, err := Run(func(*pulumi.Context) error { return mistake }, Options{Project: "p", Stack: "s"}); !errors.Is(err, mistake) {
		t.Errorf("got %v", err)
	}
}

func TestUnknownFunctionFails(t *testing.T) {
	_, err := Run(func(ctx *pulumi.Context) error {
		return ctx.Invoke("azure-native:app:getWeather", nil, &map[string]string{})
	}, Options{Project: "p", Stack: "s"})
	if err == nil || !strings.Contains(err.Error(), "getWeather") {
		t.Errorf("got %v", err)
	}
}

func TestRevealedIsDeep(t *testing.T) {
	value := resource.MakeSecret(resource.NewProperty([]resource.PropertyValue{resource.MakeSecret(resource.NewProperty("x")), resource.NewProperty(1.0)}))
	if got, ok := Revealed(value).([]any); !ok || len(got) != 2 || got[0] != "x" || got[1] != 1.0 {
		t.Errorf("got %#v", Revealed(value))
	}
}
