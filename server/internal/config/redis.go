package config

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Redis is REDIS_URL, taken apart. The zero value means that none was given.
type Redis struct {
	Address  string // host:port
	Username string
	Password Secret
	Database int
	TLS      bool
}

// String is the URL without its password.
func (r Redis) String() string {
	if r == (Redis{}) {
		return ""
	}
	scheme := "redis"
	if r.TLS {
		scheme = "rediss"
	}
	return fmt.Sprintf("%s://%s/%d", scheme, r.Address, r.Database)
}

// UnmarshalText reads a redis:// or rediss:// URL. Its errors quote no part of the text that could
// belong to a password: a password with an unescaped "/", "#" or "@" ends up anywhere in a parsed URL.
func (r *Redis) UnmarshalText(text []byte) error {
	raw := string(text)
	scheme, rest, found := strings.Cut(raw, "://")
	switch {
	case !found && strings.Contains(raw, "password="):
		return wordedError("a connection string of another client, not a URL")
	case !found:
		return wordedError("a value without redis:// or rediss://")
	case scheme != "redis" && scheme != "rediss":
		return wordedError("a URL with another scheme")
	case strings.Count(rest, "@") > 1:
		return wordedError("a URL with more than one @ (is the password percent-encoded?)")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return wordedError("a URL that cannot be parsed (is the password percent-encoded?)")
	}
	if u.Hostname() == "" {
		return wordedError("a URL without a host (is the password percent-encoded?)")
	}
	if !validHost(u.Hostname()) {
		return wordedError("a URL whose host is not a host name (is the password percent-encoded?)")
	}
	if u.User == nil && strings.Contains(rest, "@") {
		return wordedError("a URL whose password is cut short (is it percent-encoded?)")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return wordedError("a URL with a query or a fragment (is the password percent-encoded?)")
	}
	database, err := strconv.ParseUint("0"+strings.TrimPrefix(u.Path, "/"), 10, 16)
	if err != nil {
		return wordedError("a URL whose path is not a database number")
	}
	port := u.Port()
	if port == "" {
		port = "6379"
	}
	if !validPort(port) {
		return wordedError("a URL whose port is not between 1 and 65535")
	}
	password, given := u.User.Password()
	if u.User != nil && (!given || password == "") {
		return wordedError("a URL with a user but no password (the form is user:password@host, or :password@host)")
	}
	*r = Redis{
		Address:  net.JoinHostPort(u.Hostname(), port),
		Username: u.User.Username(),
		Password: Secret(password),
		Database: int(database),
		TLS:      scheme == "rediss",
	}
	return nil
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}
