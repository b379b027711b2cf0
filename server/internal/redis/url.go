package redis

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// An Endpoint is a parsed Redis URL. Printing it does not show the password.
type Endpoint struct {
	Address  string // host:port
	Database int
	TLS      bool
	Cluster  bool

	username, password string
}

// String returns the endpoint without its credentials.
func (e Endpoint) String() string {
	scheme := "redis"
	if e.TLS {
		scheme = "rediss"
	}
	return scheme + "://" + e.Address
}

// GoString keeps the password out of %#v.
func (e Endpoint) GoString() string { return e.String() }

const urlForm = "redis[s]://[[user]:password@]host[:port][/database][?cluster=true]"

// ParseURL reads a URL of the form
//
//	redis[s]://[[user]:password@]host[:port][/database][?cluster=true]
//
// where rediss means TLS and the port is 6379 unless given. cluster=true is
// for servers that redirect to other nodes (open-source Redis Cluster, the
// OSSCluster policy of Azure Managed Redis); everything with a single endpoint
// does without, the EnterpriseCluster policy included.
//
// Errors never quote the URL: where one is malformed, nobody can tell which
// part of it is the password.
func ParseURL(raw string) (Endpoint, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return Endpoint{}, errors.New("malformed URL: want " + urlForm + "; characters such as / @ # % in a password must be percent-encoded")
	}
	var e Endpoint
	switch u.Scheme {
	case "redis":
	case "rediss":
		e.TLS = true
	default:
		return Endpoint{}, errors.New("the scheme must be redis or rediss: want " + urlForm)
	}
	if u.Hostname() == "" {
		return Endpoint{}, errors.New("the host is missing: want " + urlForm)
	}
	e.Address = net.JoinHostPort(u.Hostname(), "6379")
	if u.Port() != "" {
		if port, err := strconv.Atoi(u.Port()); err != nil || port < 1 || port > 65535 {
			return Endpoint{}, errors.New("the port must be between 1 and 65535")
		}
		e.Address = u.Host
	}
	if u.User != nil {
		var ok bool
		e.username = u.User.Username()
		if e.password, ok = u.User.Password(); !ok || e.password == "" {
			return Endpoint{}, errors.New("there is a user but no password: want " + urlForm + " (a password alone is written with a colon before it)")
		}
	}
	if path := strings.TrimPrefix(u.Path, "/"); path != "" {
		if e.Database, err = strconv.Atoi(path); err != nil || e.Database < 0 {
			return Endpoint{}, errors.New("the database after the host must be a number, as in redis://localhost:6379/1")
		}
	}
	if u.Fragment != "" {
		return Endpoint{}, errors.New("a # is not part of a Redis URL: in a password it must be written as %23")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Endpoint{}, errors.New("the part after the question mark is malformed: only cluster=true is known")
	}
	for name, values := range query {
		if name != "cluster" {
			return Endpoint{}, errors.New("the part after the question mark is not understood: only cluster=true is known")
		}
		if e.Cluster, err = strconv.ParseBool(values[0]); err != nil {
			return Endpoint{}, errors.New("cluster must be true or false")
		}
	}
	if e.Cluster && e.Database != 0 {
		return Endpoint{}, fmt.Errorf("a cluster has only database 0, not %d", e.Database)
	}
	return e, nil
}
