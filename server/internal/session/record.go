package session

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
)

// Record is what a session remembers. Records are shared by the requests of a
// replica: they are never changed, only replaced.
//
// In Redis it is a hash with a field for each of the names below and one
// "sub:<uri>" for each subscription. Fields that a release does not know are
// left alone, and fields that it does not find are zero, so that adjacent
// releases can read each other's records.
type Record struct {
	ID           string
	Principal    string // who initialised it, as auth.Principal.ID names it
	Protocol     string // the negotiated revision
	Client       mcp.Implementation
	Capabilities mcp.ClientCapabilities
	Level        mcp.LoggingLevel // least level of log notifications
	Subscribed   []string         // resource URIs
	Created      time.Time        // zero where an older release made the session
}

const (
	fieldPrincipal    = "principal"
	fieldProtocol     = "protocol"
	fieldClient       = "client"
	fieldCapabilities = "capabilities"
	fieldLevel        = "level"
	fieldCreated      = "created"   // Unix milliseconds
	fieldDelivered    = "delivered" // last event of the out stream that a GET has delivered
	fieldSubscription = "sub:"
)

func (r *Record) fields() ([]string, error) {
	client, err := json.Marshal(r.Client)
	if err != nil {
		return nil, fmt.Errorf("session: encode client info: %w", err)
	}
	capabilities, err := json.Marshal(r.Capabilities)
	if err != nil {
		return nil, fmt.Errorf("session: encode client capabilities: %w", err)
	}
	return []string{
		fieldPrincipal, r.Principal,
		fieldProtocol, r.Protocol,
		fieldClient, string(client),
		fieldCapabilities, string(capabilities),
		fieldLevel, string(r.Level),
		fieldCreated, strconv.FormatInt(r.Created.UnixMilli(), 10),
	}, nil
}

func parseRecord(id string, fields map[string]string) (*Record, error) {
	r := &Record{
		ID:        id,
		Principal: fields[fieldPrincipal],
		Protocol:  fields[fieldProtocol],
		Level:     mcp.LoggingLevel(fields[fieldLevel]),
	}
	if v := fields[fieldClient]; v != "" {
		if err := json.Unmarshal([]byte(v), &r.Client); err != nil {
			return nil, fmt.Errorf("session: decode client info: %w", err)
		}
	}
	if v := fields[fieldCapabilities]; v != "" {
		if err := json.Unmarshal([]byte(v), &r.Capabilities); err != nil {
			return nil, fmt.Errorf("session: decode client capabilities: %w", err)
		}
	}
	if v := fields[fieldCreated]; v != "" {
		created, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("session: decode time of creation: %w", err)
		}
		r.Created = time.UnixMilli(created)
	}
	for name := range fields {
		if uri, ok := strings.CutPrefix(name, fieldSubscription); ok {
			r.Subscribed = append(r.Subscribed, uri)
		}
	}
	return r, nil
}
