package standin

import (
	"strings"
	"time"

	"github.com/prynai/prynai-mcp/infra-pulumi/enginetest/armtypes"
)

// outputs is what Azure answers when a resource is read: what it was asked for, less
// the secrets, and what Azure computes.
func (c *Cloud) outputs(r *record) object {
	out := plain(r.inputs).(object)
	for name := range out {
		if r.kind.inURL(name) && name != r.kind.scope {
			delete(out, name)
		}
	}
	name := r.id[strings.LastIndexByte(r.id, '/')+1:]
	out["name"], out["type"], out["provisioningState"] = name, r.kind.arm, "Succeeded"
	switch r.kind.arm {
	case registryType:
		out["loginServer"] = strings.ToLower(name) + ".azurecr.io"
		if c.options.LoginServer != "" {
			out["loginServer"] = c.options.LoginServer
		}
	case workspaceType:
		out["customerId"] = guid(r.id)
	case environmentType:
		if logs, ok := lookup(out, []string{"appLogsConfiguration", "logAnalyticsConfiguration"}).(object); ok {
			delete(logs, "sharedKey")
		}
		out["defaultDomain"], out["staticIp"] = c.options.Domain, "203.0.113.10"
	case appType:
		c.appOutputs(r, name, out)
	case classicType:
		out["hostName"], out["port"], out["sslPort"] = name+".redis.cache.windows.net", 6379.0, 6380.0
	case managedType:
		location, _ := out["location"].(string)
		out["hostName"] = name + "." + location + ".redis.azure.net"
	case databaseType:
		if _, ok := out["port"]; !ok {
			out["port"] = 10000.0
		}
	case secretType:
		value, _ := lookup(out, []string{"properties", "value"}).(string)
		vault, _ := r.inputs["vaultName"].(string)
		uri := "https://" + vault + ".vault.azure.net/secrets/" + name
		out["properties"] = object{"secretUri": uri, "secretUriWithVersion": uri + "/" + guid(value)}
	case roleType:
		out["createdOn"] = c.options.Granted.UTC().Format(time.RFC3339Nano)
	case identityType:
		out["clientId"], out["principalId"], out["tenantId"] = guid(r.id+"client"), guid(r.id+"principal"), guid("tenant")
	}
	return out
}

func (c *Cloud) appOutputs(r *record, name string, out object) {
	out["customDomainVerificationId"] = guid("domains")
	out["runningStatus"], out["outboundIpAddresses"] = "Running", []any{"203.0.113.11"}
	if ingress, ok := lookup(out, []string{"configuration", "ingress"}).(object); ok {
		ingress["fqdn"] = name + "." + c.options.Domain
	}
	if secrets, ok := lookup(out, []string{"configuration", "secrets"}).([]any); ok {
		for _, s := range secrets {
			if s, ok := s.(object); ok {
				delete(s, "value")
			}
		}
	}
	latest, ready := "", ""
	for _, revision := range c.settle(r) {
		latest = revision.Name
		if revision.Ready && revision.Active {
			ready = revision.Name
		}
	}
	out["latestRevisionName"], out["latestReadyRevisionName"] = latest, ready
	out["latestRevisionFqdn"] = latest + "." + c.options.Domain
}

// foreseen is what azure-native answers in a preview: the inputs are known, what
// Azure will compute is not.
func (c *Cloud) foreseen(k kind, inputs object) object {
	return foreseen(plain(inputs), c.outputs(&record{id: "/unknown", kind: k, inputs: plain(inputs).(object)})).(object)
}

func foreseen(input, output any) any {
	in, ok := input.(object)
	out, both := output.(object)
	if !ok || !both {
		return input
	}
	known := object{}
	for name, v := range out {
		known[name] = armtypes.Unknown{}
		if given, ok := in[name]; ok {
			known[name] = foreseen(given, v)
		}
	}
	return known
}
