package amqp

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// address is where a broker listens, and who logs in: amqp://USER:PASSWORD@HOST:PORT/VHOST. Several nodes of one cluster are
// separated by commas.
type address struct {
	nodes          []string // host:port
	vhost          string
	user, password string
	named          bool // the URL names a user
	secure         bool // amqps
}

const (
	plainPort  = "5672"
	securePort = "5671"
	// defaultUser is the login that a broker has when it is new. It works from the broker's own machine alone.
	defaultUser  = "guest"
	defaultVhost = "/"
	maxNodes     = 64
)

// parseAddress reads a URL. No error quotes the URL: it may hold a password.
func parseAddress(text string) (a address, err error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || scheme != "amqp" && scheme != "amqps" {
		return a, errors.New("is no URL of a broker: write amqp://USER:PASSWORD@HOST:PORT/VHOST, or amqps://")
	}
	a.secure = scheme == "amqps"
	if strings.ContainsAny(rest, "?#") {
		return a, errors.New("has a query or a fragment: settings are keys of their own; in a password write %3F for ? and %23 for #")
	}
	authority, path, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		if err := a.login(authority[:at]); err != nil {
			return a, err
		}
		authority = authority[at+1:]
	}
	if a.vhost, err = url.PathUnescape(path); err != nil {
		return a, errors.New("its vhost has a wrong escape: write %2F for /")
	}
	if a.vhost == "" {
		a.vhost = defaultVhost
	}
	for host := range strings.SplitSeq(authority, ",") {
		node, err := a.node(strings.TrimSpace(host))
		if err != nil {
			return a, err
		}
		a.nodes = append(a.nodes, node)
	}
	if len(a.nodes) > maxNodes {
		return a, fmt.Errorf("names %d nodes; the maximum is %d", len(a.nodes), maxNodes)
	}
	return a, nil
}

func (a *address) login(text string) error {
	user, password, _ := strings.Cut(text, ":")
	var err, err2 error
	a.user, err = url.PathUnescape(user)
	a.password, err2 = url.PathUnescape(password)
	if err != nil || err2 != nil {
		return errors.New("its user or password has a wrong escape: write %40 for @, %2F for / and %25 for %")
	}
	a.named = true
	return nil
}

// node is host:port of a host that may name no port.
func (a *address) node(host string) (string, error) {
	if name, port, err := net.SplitHostPort(host); err == nil && name != "" && port != "" {
		return host, nil
	}
	bare := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if bare == "" || strings.Contains(bare, ":") && bare == host {
		return "", errors.New("names no host: write amqp://HOST:PORT/, several hosts separated by commas")
	}
	if a.secure {
		return net.JoinHostPort(bare, securePort), nil
	}
	return net.JoinHostPort(bare, plainPort), nil
}

// publicURL is a URL in which nothing is secret: without user and password.
func publicURL(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return "a broker"
	}
	authority, path, slash := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		authority = authority[at+1:]
	}
	if slash && path != "" {
		authority += "/" + path
	}
	return scheme + "://" + authority
}
