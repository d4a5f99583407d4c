// Package toxiproxy breaks the proxies of a running Toxiproxy server by its HTTP API. The proxies are defined on that
// server, and the server's own toxics break them. The package removes only toxics that it added, and restores the
// state that it found.
package toxiproxy

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"wringer/faults"
)

// Config is a fault on a proxy of a server: one toxic, or the whole proxy down.
type Config struct {
	Server     string         `yaml:"toxiproxy" jsonschema:"required" jsonschema_description:"The API of the running server: http://host:8474, or http://${NAME.8474} of a container of the target."`
	Proxy      string         `yaml:"proxy" jsonschema:"required" jsonschema_description:"The name of a proxy that is defined there."`
	Through    string         `yaml:"through" jsonschema:"required" jsonschema_description:"The stream whose connections go to the proxy. What passes on its connections to the proxy's port shows what the fault changed."`
	Toxic      string         `yaml:"toxic" jsonschema_description:"The type of a toxic of the server: latency, bandwidth, slow_close, timeout, reset_peer, slicer, limit_data."`
	Attributes map[string]any `yaml:"attributes" worse:"latency=more jitter=more delay=more rate=less average_size=less bytes=less" jsonschema_description:"The toxic's attributes: {latency: 80, jitter: 20}, in the server's units."`
	Stream     string         `yaml:"stream" jsonschema:"enum=upstream,enum=downstream" jsonschema_description:"Where the toxic applies: to the target (upstream) or from it. Default downstream."`
	Toxicity   *float64       `yaml:"toxicity" worse:"more" jsonschema_description:"The share of connections that meet the toxic, 0 to 1. Default 1."`
	Down       bool           `yaml:"down" jsonschema_description:"The proxy is taken down: connections are closed and new ones refused."`
}

// variable is one of the target's variables, which are filled in later: ${toxiproxy.8474}.
var variable = regexp.MustCompile(`\$\{[^}]*\}`)

// Check implements faults.Config.
func (c *Config) Check(problem func(field, message string)) {
	if u, err := url.Parse(variable.ReplaceAllString(c.Server, "host:1")); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/")+u.RawQuery != "" {
		problem("toxiproxy", fmt.Sprintf("%q is no address of a server: write http://host:8474, or http://${NAME.8474} of a container", c.Server))
	}
	if c.Proxy == "" {
		problem("proxy", "is empty: name a proxy that is defined on the server")
	}
	if c.Through == "" {
		problem("through", "is empty: name the stream whose connections go to the proxy")
	}
	switch {
	case c.Toxic == "" && !c.Down:
		problem("proxy", "the fault does nothing: give toxic or down")
	case c.Toxic != "" && c.Down:
		problem("down", "stands beside toxic: give each a fault of its own")
	case c.Down && (len(c.Attributes) > 0 || c.Stream != "" || c.Toxicity != nil):
		problem("down", "takes no attributes, stream or toxicity: they belong to a toxic")
	}
	if t := c.Toxicity; t != nil && !(*t > 0 && *t <= 1) {
		problem("toxicity", fmt.Sprintf("%v is out of range: more than 0 and at most 1", *t))
	}
}

// Kind implements faults.Config.
func (c *Config) Kind() string {
	if c.Down {
		return "toxiproxy down"
	}
	return "toxiproxy " + c.Toxic
}

// On implements faults.Config. The fault shows on the stream's own connections.
func (c *Config) On() faults.Place { return faults.Place{Link: c.Through} }

// Excludes implements faults.Exclusive: one fault at a time takes a proxy down.
func (c *Config) Excludes(other faults.Config) bool {
	o, ok := other.(*Config)
	return ok && c.Down && o.Down && c.Server == o.Server && c.Proxy == o.Proxy
}

// Describe implements faults.Config.
func (c *Config) Describe() faults.Description {
	return faults.Description{Words: c.words(), Templated: true}
}

// words describe the fault: "toxiproxy latency jitter=20 latency=80, downstream of proxy orders".
func (c *Config) words() string {
	words := []string{c.Kind()}
	for _, name := range slices.Sorted(maps.Keys(c.Attributes)) {
		words = append(words, fmt.Sprintf("%s=%v", name, c.Attributes[name]))
	}
	s := strings.Join(words, " ")
	if c.Stream != "" {
		s += ", " + c.Stream
	}
	if c.Toxicity != nil {
		s += fmt.Sprintf(", toxicity %v", *c.Toxicity)
	}
	return s + " of proxy " + c.Proxy
}

// openWithin bounds the request to the server at Open.
const openWithin = 5 * time.Second

// Open implements faults.Config.
func (c *Config) Open(env faults.Env) (faults.Fault, error) {
	link, err := env.Link(c.Through)
	if err != nil {
		return nil, err
	}
	tapped, ok := link.(faults.Tapped)
	if !ok {
		return nil, fmt.Errorf("link %s: a %T cannot count its traffic", c.Through, link)
	}
	ctx, cancel := context.WithTimeout(context.Background(), openWithin)
	defer cancel()
	s := server{strings.TrimRight(c.Server, "/"), env.Dial}
	p, err := s.find(ctx, c.Proxy)
	if err != nil {
		return nil, err
	}
	if c.Down && !p.Enabled {
		return nil, fmt.Errorf("proxy %s of %s is down already: start it, or remove the fault", c.Proxy, c.Server)
	}
	f := &Fault{config: *c, server: s, toxic: toxicName(), journal: env.Journal}
	inside, err := c.published(env)
	if err != nil {
		return nil, err
	}
	f.tap = tapped.Tap(func(address string) bool { return p.listens(inside(address)) }, f.evidence.counts)
	return f, nil
}

// published tells which address inside of the server's container is reached at an address outside. A server that no part of the
// target publishes listens where it is reached.
func (c *Config) published(env faults.Env) (inside func(address string) string, err error) {
	same := func(address string) string { return address }
	u, err := url.Parse(c.Server)
	if err != nil {
		return nil, err
	}
	for _, name := range env.Parts {
		part, err := env.Part(name)
		if err != nil {
			return nil, err
		}
		container, ok := part.(faults.Publisher)
		if !ok {
			continue
		}
		if _, ok := container.Published(u.Port()); ok {
			return func(address string) string {
				_, port, _ := net.SplitHostPort(address)
				port, _ = container.Published(port)
				return net.JoinHostPort("", port)
			}, nil
		}
	}
	return same, nil
}
