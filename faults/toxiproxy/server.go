package toxiproxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"wringer/faults"
)

// server is the API of a Toxiproxy server. The library's own client takes no contexts and waits up to 30 seconds; a
// wedged proxy makes it wait that long.
type server struct {
	url  string
	dial faults.DialFunc // nil: without bounds
}

func (s server) String() string { return s.url }

// proxy is a proxy as the server describes it.
type proxy struct {
	Name     string  `json:"name"`
	Listen   string  `json:"listen"`
	Upstream string  `json:"upstream"`
	Enabled  bool    `json:"enabled"`
	Toxics   []toxic `json:"toxics"`
}

// listens reports whether an address is the proxy's. It compares only the ports, because the server may give the host
// another name.
func (p *proxy) listens(address string) bool {
	_, mine, _ := net.SplitHostPort(p.Listen)
	_, port, err := net.SplitHostPort(address)
	return err == nil && port == mine
}

type toxic struct {
	Name       string         `json:"name"`
	Type       string         `json:"type"`
	Stream     string         `json:"stream,omitempty"`
	Toxicity   float64        `json:"toxicity"`
	Attributes map[string]any `json:"attributes"`
}

// errMissing: the server does not know the proxy or toxic.
var errMissing = errors.New("not found")

// errSilent: the server did not answer in time.
var errSilent = fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)

// find returns a proxy, or an error that lists the existing proxies.
func (s server) find(ctx context.Context, name string) (*proxy, error) {
	p, err := s.proxy(ctx, name)
	if !errors.Is(err, errMissing) {
		return p, err
	}
	var all map[string]json.RawMessage
	if err := s.call(ctx, http.MethodGet, "/proxies", nil, &all); err != nil {
		return nil, err
	}
	names := slices.Sorted(maps.Keys(all))
	if len(names) == 0 {
		return nil, fmt.Errorf("%s has no proxy %q, nor any other: define it there", s, name)
	}
	return nil, fmt.Errorf("%s has no proxy %q; it has %s", s, name, strings.Join(names, ", "))
}

func (s server) proxy(ctx context.Context, name string) (*proxy, error) {
	p := &proxy{}
	return p, s.call(ctx, http.MethodGet, path(name), nil, p)
}

func (s server) add(ctx context.Context, name string, t toxic) error {
	return s.call(ctx, http.MethodPost, path(name)+"/toxics", t, nil)
}

// remove removes the toxic. It returns nil if the toxic or its proxy no longer exists.
func (s server) remove(ctx context.Context, name, toxic string) error {
	err := s.call(ctx, http.MethodDelete, path(name)+"/toxics/"+url.PathEscape(toxic), nil, nil)
	if errors.Is(err, errMissing) {
		return nil
	}
	return err
}

func (s server) enable(ctx context.Context, name string, enabled bool) error {
	return s.call(ctx, http.MethodPost, path(name), map[string]bool{"enabled": enabled}, nil)
}

func path(proxy string) string { return "/proxies/" + url.PathEscape(proxy) }

// maxAnswer bounds the bytes read of an answer.
const maxAnswer = 4 << 20

// call sends in and decodes the answer into out. Both may be nil.
func (s server) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, s.url+path, body)
	if err != nil {
		return err
	}
	r.Header.Set("User-Agent", "wringer") // the server rejects browsers
	r.Header.Set("Content-Type", "application/json")
	// Calls are rare, so no idle connection is kept. A proxy of the environment is not used.
	client := http.Client{Transport: &http.Transport{DialContext: s.dial, DisableKeepAlives: true}}
	answer, err := client.Do(r)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("toxiproxy server: %s %s%s: %w; adding or removing a toxic under load can block a proxy for good: restart the server", method, s, path, errSilent)
	case err != nil:
		return fmt.Errorf("toxiproxy server: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	switch {
	case err != nil:
		return fmt.Errorf("toxiproxy server: %s %s%s: %w", method, s, path, err)
	case answer.StatusCode == http.StatusNotFound:
		return fmt.Errorf("toxiproxy server: %s %s%s: %w", method, s, path, errMissing)
	case answer.StatusCode/100 != 2:
		return fmt.Errorf("toxiproxy server: %s %s%s: %s: %s", method, s, path, answer.Status, bytes.TrimSpace(text))
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("toxiproxy server: %s %s%s: %w", method, s, path, err)
	}
	return nil
}
