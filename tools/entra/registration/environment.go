package registration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The variables of the .env file, as the stack and the smoke client read them.
const (
	tenantID     = "ENTRA_TENANT_ID"
	serverID     = "SERVER_APP_ID"
	serverURI    = "SERVER_APP_ID_URI"
	clientID     = "ENTRA_CLIENT_ID"
	clientSecret = "ENTRA_CLIENT_SECRET"
)

// values are what the variables should be, "" for what is not known before the
// apps are made. Another identifier URI of the same app is left as it is.
func (r *Registration) values() map[string]string {
	values := map[string]string{tenantID: r.Tenant.ID, serverID: r.server.AppID, serverURI: "", clientID: r.client.AppID}
	if r.server.AppID != "" {
		values[serverURI] = "api://" + r.server.AppID
	}
	if have := r.env.Get(serverURI); slices.Contains(r.server.IdentifierURIs, have) {
		values[serverURI] = have
	}
	return values
}

// planEnvironment comes after both apps and before the grants.
func (r *Registration) planEnvironment() error {
	var lacks, others []string
	values := r.values()
	for _, name := range []string{tenantID, serverID, serverURI, clientID} {
		switch have := r.env.Get(name); {
		case have == "":
			lacks = append(lacks, name)
		case !strings.EqualFold(have, values[name]):
			lacks = append(lacks, name)
			others = append(others, name)
		}
	}
	secretIsOurs := r.client.AppID != "" && strings.EqualFold(r.env.Get(clientID), r.client.AppID)
	if !secretIsOurs && r.env.Get(clientSecret) != "" {
		others = append(others, clientSecret)
	}
	if len(others) > 0 && !r.wish.Force {
		return fmt.Errorf("%s has other values for %s: they belong to another app or tenant\nUse another file (--env-file), the --name of those apps, or --force to overwrite them", r.env.Path, strings.Join(others, ", "))
	}
	needsSecret := r.needsSecret(secretIsOurs)
	if needsSecret {
		lacks = append(lacks, fmt.Sprintf("%s (a new secret of %s, for %d days)", clientSecret, r.client.name, int(r.wish.SecretLifetime.Hours()/24)))
	}
	if len(lacks) == 0 {
		r.ok(r.env.Path)
		return nil
	}
	r.plan(verbWrite, r.env.Path+": "+strings.Join(lacks, ", "), func(ctx context.Context) error {
		return r.writeEnvironment(ctx, needsSecret)
	})
	return nil
}

// needsSecret tells whether a secret is to be made: where there is none, or
// where the one in the file has ended.
func (r *Registration) needsSecret(secretIsOurs bool) bool {
	have := r.env.Get(clientSecret)
	if r.wish.NoSecret {
		return false
	}
	if r.wish.NewSecret || have == "" || !secretIsOurs {
		return true
	}
	// Of a secret that it keeps, Entra tells the first letters. One that is not
	// among them may be too new to be seen: it is left alone.
	var known, valid bool
	for _, c := range r.client.PasswordCredentials {
		if c.Hint != "" && strings.HasPrefix(have, c.Hint) {
			known = true
			valid = valid || c.EndDateTime.After(time.Now())
		}
	}
	return known && !valid
}

// writeEnvironment writes what is no secret first: a file that cannot be
// written then fails before a secret is made.
func (r *Registration) writeEnvironment(ctx context.Context, needsSecret bool) error {
	values := r.values()
	if !strings.EqualFold(r.env.Get(clientID), r.client.AppID) {
		values[clientSecret] = "" // that of another app
	}
	if err := r.env.Write(values); err != nil || !needsSecret {
		return err
	}
	made, err := r.graph.AddSecret(ctx, r.client.ID, r.client.name, time.Now().Add(r.wish.SecretLifetime))
	if err != nil {
		return err
	}
	if made.SecretText == "" {
		return errors.New("the answer to the request for a client secret holds none")
	}
	if err := r.env.Write(map[string]string{clientSecret: string(made.SecretText)}); err != nil {
		return fmt.Errorf("the new client secret was not kept; remove it in the portal (App registrations > %s > Certificates & secrets, id %s): %w", r.client.name, made.KeyID, err)
	}
	return nil
}
