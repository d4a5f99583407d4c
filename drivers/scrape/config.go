// Package scrape reads what the target says of itself: a Prometheus endpoint in the text format or in OpenMetrics, or queries that a
// Prometheus server answers.
package scrape

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"wringer/drivers"
	"wringer/drivers/tlsconfig"
)

// Config is one entry of `observe:`.
type Config struct {
	Prometheus string            `yaml:"prometheus" jsonschema_description:"The URL of the target's own metrics, in the text format of Prometheus or in OpenMetrics."`
	PromQL     string            `yaml:"promql" jsonschema_description:"The URL of a Prometheus server, in place of prometheus. Each series is a query in PromQL, asked by /api/v1/query."`
	Every      time.Duration     `yaml:"every" jsonschema_description:"The time from one reading to the next, from 200ms to 1m. Default 1s."`
	Timeout    time.Duration     `yaml:"timeout" jsonschema_description:"How long a reading may take. Default 2s."`
	Series     map[string]string `yaml:"series" jsonschema:"required" jsonschema_description:"The series by a name of your own, which gates call observe(ENTRY.NAME). Each is a selector such as jvm_memory_used_bytes{area=\"heap\"}, or with promql a query. Where several time series match, their sum counts."`
	Headers    map[string]string `yaml:"headers" jsonschema_description:"Headers of each request. Write a secret as ${env.NAME}."`
	TLS        *tlsconfig.Config `yaml:"tls" jsonschema_description:"Trust and certificates for https."`
}

// The bounds of an entry.
const (
	leastEvery     = 200 * time.Millisecond
	mostEvery      = time.Minute
	mostTimeout    = time.Minute
	defaultEvery   = time.Second
	defaultTimeout = 2 * time.Second
)

// Check implements drivers.SeriesConfig.
func (c *Config) Check(problem func(field, message string)) {
	switch {
	case c.Prometheus == "" && c.PromQL == "":
		problem("", "says not where the series are: give prometheus, the URL of the target's metrics, or promql, that of a Prometheus server")
	case c.Prometheus != "" && c.PromQL != "":
		problem("promql", "does not go with prometheus: give one of the two")
	}
	for field, text := range map[string]string{"prometheus": c.Prometheus, "promql": c.PromQL} {
		if text != "" && !strings.Contains(text, "${") {
			if _, err := address(text); err != nil {
				problem(field, err.Error())
			}
		}
	}
	if c.Every != 0 && (c.Every < leastEvery || c.Every > mostEvery) {
		problem("every", fmt.Sprintf("%s is too short or too long: write %s to %s; a record holds a value a second", c.Every, leastEvery, mostEvery))
	}
	if c.Timeout < 0 || c.Timeout > mostTimeout {
		problem("timeout", fmt.Sprintf("%s is more than the maximum of %s", c.Timeout, mostTimeout))
	}
	c.checkSeries(problem)
	if c.TLS != nil {
		c.TLS.Check(func(field, message string) { problem(strings.TrimSuffix("tls."+field, "."), message) })
	}
}

func (c *Config) checkSeries(problem func(field, message string)) {
	if len(c.Series) == 0 {
		problem("series", "holds no series: name one, as in heap: jvm_memory_used_bytes{area=\"heap\"}")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Series)) {
		text := c.Series[name]
		switch {
		case strings.TrimSpace(text) == "":
			problem("series."+name, "is empty: write a selector such as jvm_threads_live_threads, or with promql a query")
		case c.PromQL == "" && !strings.Contains(text, "${"):
			if _, err := parseSelector(text); err != nil {
				problem("series."+name, err.Error())
			}
		}
	}
}

// CheckFiles implements drivers.FileChecker.
func (c *Config) CheckFiles(folder string, ready func(path string) error, problem func(field, message string)) {
	if c.TLS != nil {
		c.TLS.CheckFiles(folder, ready, problem)
	}
}

// address reads the URL of an endpoint or of a server.
func address(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("is no URL of HTTP: write http://HOST:PORT/PATH")
	}
	return u, nil
}

// Describe implements drivers.SeriesConfig.
func (c *Config) Describe() drivers.SeriesDescription {
	d := drivers.SeriesDescription{Every: c.every(), Series: slices.Sorted(maps.Keys(c.Series))}
	if c.PromQL != "" {
		d.Place, d.NoCounters = "PromQL at "+where(c.PromQL), "a query has no type: ask for it by a query, as in increase(errors_total[30s])"
		return d
	}
	d.Place = "metrics at " + where(c.Prometheus)
	return d
}

func (c *Config) every() time.Duration {
	if c.Every == 0 {
		return defaultEvery
	}
	return c.Every
}

// where is a URL without what its user part or its query may hold.
func where(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "a URL"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// Open implements drivers.SeriesConfig.
func (c *Config) Open(env drivers.SeriesEnv) (drivers.SeriesSource, error) {
	var trust *tls.Config
	var err error
	if c.TLS != nil {
		if trust, err = c.TLS.Load(env.Files); err != nil {
			return nil, fmt.Errorf("%w: %w", drivers.ErrConfig, err)
		}
	}
	get := &getter{headers: c.Headers, timeout: c.Timeout}
	if get.timeout == 0 {
		get.timeout = defaultTimeout
	}
	dial, text := env.Direct, c.Prometheus
	if c.PromQL != "" {
		dial, text = env.Beside, c.PromQL
	}
	get.client = newClient(dial, trust)
	u, err := address(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", drivers.ErrConfig, where(text), err)
	}
	if c.PromQL != "" {
		return &server{get: get, url: u.JoinPath("api/v1/query"), queries: c.Series, names: slices.Sorted(maps.Keys(c.Series))}, nil
	}
	e := &endpoint{get: get, url: u, selectors: make(map[string]*selector, len(c.Series))}
	for name, text := range c.Series {
		if e.selectors[name], err = parseSelector(text); err != nil {
			return nil, fmt.Errorf("%w: series.%s: %w", drivers.ErrConfig, name, err)
		}
	}
	return e, nil
}

// newClient is a client of its own, with one connection, no proxy, and no redirects.
func newClient(dial drivers.DialFunc, trust *tls.Config) *http.Client {
	return &http.Client{
		Transport: &http.Transport{DialContext: dial, TLSClientConfig: trust, MaxResponseHeaderBytes: 64 << 10, MaxConnsPerHost: 1},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}
