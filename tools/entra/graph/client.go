// Package graph speaks the few requests of Microsoft Graph v1.0 that register
// applications and grant permissions.
//
// What Graph answers is read into typed values, what it refuses becomes an
// Error that says which permission or role was missing and what to do. A secret
// that Graph makes is held in a type that prints as redacted.
//
// Entra is eventually consistent: for minutes after something is made, other
// requests may not find it. Settle waits for that.
package graph

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// Endpoint is Graph's address in the public cloud.
const Endpoint = "https://graph.microsoft.com"

// Client sends requests in the name of one credential.
type Client struct {
	endpoint string
	pipeline runtime.Pipeline
}

// New makes a client for Graph at the endpoint. Throttling and passing failures
// are retried, as Graph's Retry-After says. A nil transport is the SDK's own.
func New(endpoint string, credential azcore.TokenCredential, transport policy.Transporter) *Client {
	bearer := runtime.NewBearerTokenPolicy(credential, []string{endpoint + "/.default"}, nil)
	return &Client{
		endpoint: endpoint,
		pipeline: runtime.NewPipeline("prynai-entra", "v1",
			runtime.PipelineOptions{PerRetry: []policy.Policy{bearer}},
			&policy.ClientOptions{
				Transport: transport,
				Retry:     policy.RetryOptions{MaxRetries: 4, RetryDelay: time.Second, TryTimeout: time.Minute},
			}),
	}
}

// operation is one kind of request, with what Entra wants of whoever sends it.
type operation struct {
	what       string // completes "cannot …"
	permission string // the least Graph permission
	roles      string // directory roles that let a person do it
}

// request is what is sent. An answer that is nil is not read.
type request struct {
	method, path string
	header       http.Header
	body, answer any
}

// send returns the status of a request that succeeded, else an *Error, or what
// kept the request from being answered.
func (c *Client) send(ctx context.Context, op operation, r request) (int, error) {
	req, err := runtime.NewRequest(ctx, r.method, c.endpoint+"/v1.0"+r.path)
	if err != nil {
		return 0, err
	}
	for name, values := range r.header {
		req.Raw().Header[name] = values
	}
	req.Raw().Header.Set("Accept", "application/json")
	if r.body != nil {
		if err := runtime.MarshalAsJSON(req, r.body); err != nil {
			return 0, err
		}
	}
	resp, err := c.pipeline.Do(req)
	if err != nil {
		return 0, fmt.Errorf("cannot %s: %w", op.what, err)
	}
	defer func() { _ = resp.Body.Close() }() // the pipeline has read it whole
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return 0, refusal(op, resp)
	}
	if r.answer != nil && resp.StatusCode != http.StatusNoContent {
		if err := runtime.UnmarshalAsJSON(resp, r.answer); err != nil {
			return 0, fmt.Errorf("cannot %s: Graph's answer cannot be read: %w", op.what, err)
		}
	}
	return resp.StatusCode, nil
}

// equal is an OData filter: all of the names have their values.
func equal(pairs ...string) string {
	var terms []string
	for i := 0; i < len(pairs); i += 2 {
		terms = append(terms, pairs[i]+" eq "+pairs[i+1])
	}
	return "?$filter=" + url.PathEscape(strings.Join(terms, " and "))
}
