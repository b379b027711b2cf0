package diagnose

import (
	"fmt"
	"strings"

	"github.com/prynai/prynai-mcp/smoke/internal/entra"
)

// entraCauses explains the codes that Entra answers with when an app
// registration or this client's settings are wrong.
var entraCauses = map[string]string{
	"AADSTS700016": "the tenant has no application with this id: check ENTRA_CLIENT_ID, and that ENTRA_TENANT_ID is the tenant it is registered in",
	"AADSTS7000215": "the client secret is wrong: ENTRA_CLIENT_SECRET must be the secret's value, not its id, and must belong to ENTRA_CLIENT_ID " +
		"(the value is shown only once; make a new one under Certificates & secrets)",
	"AADSTS7000222": "the client secret has expired: make a new one under the client app's Certificates & secrets, and put its value into ENTRA_CLIENT_SECRET",
	"AADSTS7000216": "the client sent no secret or certificate: set ENTRA_CLIENT_SECRET",
	"AADSTS7000112": "the client app is disabled in this tenant: enable it under Enterprise applications",
	"AADSTS500011":  "the tenant has no API with this identifier: check SERVER_APP_ID_URI or SERVER_APP_ID, that the server app exposes an API under that URI, and that it has a service principal in this tenant",
	"AADSTS90002":   "there is no tenant with this id: check ENTRA_TENANT_ID, and ENTRA_AUTHORITY for a national cloud",
	"AADSTS900023":  "ENTRA_TENANT_ID is not a tenant id: it must be the directory's GUID or one of its domains",
	"AADSTS501051":  "the client is not assigned to a role of the server app: add the application permission and grant admin consent, or switch off \"assignment required\" of the server's enterprise application",
	"AADSTS50105":   "the user is not assigned to the server app: assign the user or group under the server's enterprise application",
	"AADSTS65001":   "consent is missing: grant admin consent to the client app (for the Azure CLI: authorize its client id 04b07795-8ddb-461a-bbee-02f9e1bf7b46 under the server app's Expose an API)",
	"AADSTS70011":   "Entra does not know the scope: SERVER_APP_ID_URI must be the identifier URI of the server app, such as api://<guid>, without a path",
	"AADSTS1002012": "Entra does not know the scope: SERVER_APP_ID_URI must be the identifier URI of the server app, such as api://<guid>, without a path",
	"AADSTS53003":   "a conditional access policy of the tenant blocks this sign-in: ask its administrator, or run from an allowed network",
	"AADSTS700027":  "the certificate is not one of the client app's: upload its public part under Certificates & secrets",
	"AADSTS700213":  "the client app has no federated credential for this workload: issuer and subject must match exactly",
	"AADSTS70021":   "the client app has no federated credential for this workload: issuer and subject must match exactly",
}

func ofToken(e *entra.Error, facts Facts) string {
	s := facts.Settings
	if cause, ok := entraCauses[e.Code]; ok {
		return fmt.Sprintf("%s (ENTRA_CLIENT_ID=%s, ENTRA_TENANT_ID=%s, scope %s)", cause, orNone(s.ClientID), orNone(s.TenantID), s.Scope())
	}
	where := "Entra at " + s.Authority
	switch cause := ofNetwork(e.Cause, facts); {
	case cause != "":
		return where + ": " + cause
	case e.Code != "":
		return fmt.Sprintf("see https://login.microsoftonline.com/error?code=%s", strings.TrimPrefix(e.Code, "AADSTS"))
	case strings.Contains(e.Message, "issuer"), strings.Contains(e.Message, "TenantDiscovery"):
		return where + " does not describe itself as that authority: check ENTRA_AUTHORITY and ENTRA_TENANT_ID"
	case e.Credential == "none":
		return "set ENTRA_CLIENT_ID and ENTRA_CLIENT_SECRET, or sign in with `az login --tenant " + s.TenantID + "`"
	}
	return "check ENTRA_TENANT_ID, ENTRA_CLIENT_ID, ENTRA_CLIENT_SECRET and ENTRA_AUTHORITY"
}
