package main

import (
	"cmp"
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// signIn takes the first credential that the environment has: AZURE_ variables,
// workload identity, managed identity, the Azure CLI.
func signIn(tenant string) (azcore.TokenCredential, error) {
	credential, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{TenantID: tenant})
	if err != nil {
		return nil, &signInError{tenant, err}
	}
	return adviser{credential, tenant}, nil
}

// adviser adds to a failure what a person does about it.
type adviser struct {
	azcore.TokenCredential
	tenant string
}

func (a adviser) GetToken(ctx context.Context, options policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, err := a.TokenCredential.GetToken(ctx, options)
	if err != nil {
		err = &signInError{a.tenant, err}
	}
	return token, err
}

// signInError keeps the cause, which also tells the SDK not to try again.
type signInError struct {
	tenant string
	cause  error
}

func (e *signInError) Error() string {
	return "not signed in to Entra\n" +
		"az login --tenant " + cmp.Or(e.tenant, "TENANT") + " --allow-no-subscriptions\n\n" + e.cause.Error()
}

func (e *signInError) Unwrap() error { return e.cause }
