// Package endpoint reads effects from an HTTP endpoint of the target: a JSON list, JSON lines, or pages of them. It is read whole
// after the drain, and more often if asked, or followed as a stream of JSON lines.
package endpoint

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"wringer/drivers"
	"wringer/drivers/effect"
	"wringer/drivers/jsonpath"
	"wringer/drivers/tlsconfig"
)

// Config is the `http:` part of `effects:`.
type Config struct {
	URL     string            `yaml:"url" jsonschema:"required" jsonschema_description:"The URL to get."`
	Headers map[string]string `yaml:"headers" jsonschema_description:"Headers of each request. Write a secret as ${env.NAME}."`
	Items   string            `yaml:"items" jsonschema_description:"JSON path to the list of items in each page: $.orders. Absent: the page is a list, or JSON lines."`
	Next    string            `yaml:"next" jsonschema_description:"JSON path to what leads to the next page: a URL, or a cursor. Absent or null there: it was the last. A Link header with rel=\"next\" is followed without being named."`
	Cursor  string            `yaml:"cursor" jsonschema_description:"The parameter of the query that takes the cursor at next. Absent: next holds a URL."`
	Follow  bool              `yaml:"follow" jsonschema_description:"The answer is an endless stream of JSON lines, or of server-sent events whose data are JSON: read it while the run goes on."`
	TLS     *tlsconfig.Config `yaml:"tls" jsonschema_description:"Trust and certificates for https."`

	effect.Fields   `yaml:",inline"`
	effect.Readings `yaml:",inline"`
}

// Check implements drivers.SourceConfig.
func (c *Config) Check(problem func(field, message string)) {
	if !strings.Contains(c.URL, "${") {
		if _, err := address(c.URL); err != nil {
			problem("url", err.Error())
		}
	}
	for _, at := range []struct{ field, path string }{{"items", c.Items}, {"next", c.Next}} {
		if _, err := path(at.path); err != nil {
			problem(at.field, err.Error())
		}
	}
	switch {
	case c.Cursor != "" && c.Next == "":
		problem("cursor", "needs next, the JSON path to the cursor")
	case c.Next != "" && c.Items == "":
		problem("next", "needs items: a page with a cursor is no bare list")
	}
	if c.Follow {
		for field, set := range map[string]bool{"items": c.Items != "", "next": c.Next != "", "every": c.Every != 0, "time": c.Time != ""} {
			if set {
				problem(field, "does not work with follow, which takes each line as it comes")
			}
		}
	}
	if c.TLS != nil {
		c.TLS.Check(func(field, message string) { problem(strings.TrimSuffix("tls."+field, "."), message) })
	}
	c.Fields.Check(effect.CheckPath, problem)
	c.Readings.Check(problem)
}

// CheckFiles implements drivers.FileChecker.
func (c *Config) CheckFiles(folder string, ready func(path string) error, problem func(field, message string)) {
	if c.TLS == nil {
		return
	}
	c.TLS.CheckFiles(folder, ready, problem)
}

func address(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("is no URL of HTTP: write http://HOST:PORT/PATH")
	}
	return u, nil
}

// path compiles a path; an empty text is a nil path.
func path(text string) (*jsonpath.Path, error) {
	if text == "" {
		return nil, nil
	}
	return jsonpath.Parse(text)
}

// Describe implements drivers.SourceConfig.
func (c *Config) Describe() drivers.SourceDescription {
	d := drivers.SourceDescription{Place: c.where(), Matched: c.Matched(), Cannot: effect.FollowLimits()}
	if !c.Follow {
		d.Gauges, d.Counters, d.Cannot = effect.SnapshotGauges(), effect.SnapshotGauges(), c.Limits(&c.Fields)
	}
	return d
}

// where is the endpoint in words, without what a query or a user part may hold.
func (c *Config) where() string {
	u, err := url.Parse(c.URL)
	if err != nil {
		return "an endpoint"
	}
	return "GET " + (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// Open implements drivers.SourceConfig.
func (c *Config) Open(_ context.Context, env drivers.Env) (drivers.Source, error) {
	reader, err := c.Fields.Open(env)
	if err != nil {
		return nil, err
	}
	p := &pages{config: *c, identity: env.Identity.Reader()}
	first, err1 := address(c.URL)
	items, err2 := path(c.Items)
	next, err3 := path(c.Next)
	documents, err4 := c.Documents()
	var trust *tls.Config
	var err5 error
	if c.TLS != nil {
		trust, err5 = c.TLS.Load(env.Files)
	}
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return nil, fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	p.first, p.items, p.next, p.documents = first, items, next, documents
	p.client = &http.Client{Transport: &http.Transport{DialContext: env.Direct, TLSClientConfig: trust, MaxResponseHeaderBytes: 1 << 20}}
	if c.Follow {
		return effect.NewFollow(c.where(), env, reader, documents, p.follow), nil
	}
	return effect.NewSnapshot(c.where(), env, reader, c.Readings, p), nil
}
