package rest

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest"
	"wringer/drivers/drivertest/tier"
	"wringer/drivers/tlsconfig"
)

// target is an HTTP server with a behaviour that tests choose.
type target struct {
	address  string
	secure   *tls.Config // nil: plain
	mode     atomic.Value
	received atomic.Int64
	released chan struct{} // closed at the end, to release hanging requests

	mu     sync.Mutex
	server *http.Server // nil while nothing listens
	served chan struct{}
}

func startTarget(t testing.TB, secure *tls.Config) *target {
	t.Helper()
	g := &target{address: "127.0.0.1:0", secure: secure.Clone(), released: make(chan struct{})}
	g.mode.Store(drivertest.Answer)
	g.listen(t)
	return g
}

func (g *target) listen(t testing.TB) {
	listener, err := net.Listen("tcp", g.address)
	if err != nil {
		t.Errorf("listen: %v", err)
		return
	}
	g.address = listener.Addr().String()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(g.secure != nil)
	protocols.SetUnencryptedHTTP2(g.secure == nil)
	g.server = &http.Server{
		Handler:     g,
		TLSConfig:   g.secure,
		Protocols:   protocols,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
	}
	g.server.ErrorLog = discardLog
	g.served = make(chan struct{})
	go func(server *http.Server, served chan struct{}) {
		defer close(served)
		if g.secure != nil {
			server.ServeTLS(listener, "", "")
		} else {
			server.Serve(listener)
		}
	}(g.server, g.served)
}

type connKey struct{}

func (g *target) behave(t testing.TB) func(drivertest.Behaviour) {
	return func(b drivertest.Behaviour) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.mode.Store(b)
		if b == drivertest.Nobody {
			g.stop()
		} else if g.server == nil {
			g.listen(t)
		}
	}
}

func (g *target) stop() {
	if g.server != nil {
		g.server.Close()
		<-g.served
		g.server = nil
	}
}

func (g *target) close() {
	close(g.released)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stop()
}

func (g *target) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.received.Add(1)
	io.Copy(io.Discard, r.Body)
	raw := drivertest.NewRawConn(r.Context().Value(connKey{}).(net.Conn))
	switch g.mode.Load() {
	case drivertest.Answer:
		w.Write([]byte(`{"ok":true}`))
	case drivertest.Reject:
		w.WriteHeader(http.StatusConflict)
	case drivertest.Fail:
		w.WriteHeader(http.StatusInternalServerError)
	case drivertest.Hang:
		select {
		case <-g.released:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	case drivertest.Close:
		raw.Cut()
	case drivertest.Cut:
		w.Header().Set("Content-Length", "100")
		w.Write([]byte("half"))
		http.NewResponseController(w).Flush()
		raw.Cut()
	case drivertest.Reset:
		raw.Reset()
	case drivertest.Garbage:
		raw.Garbage()
		raw.Cut()
	case drivertest.Endless:
		block := make([]byte, 32<<10)
		for {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}
}

func conformance(t *testing.T, secure, http2 bool, configure func(c *Config)) {
	server := httptest.NewUnstartedServer(nil)
	var tlsConfig *tls.Config
	scheme := "http"
	if secure {
		server.StartTLS() // lends its certificate
		tlsConfig, scheme = server.TLS.Clone(), "https"
		tlsConfig.NextProtos = nil
	} else {
		server.Start()
	}
	server.Close()
	subject := drivertest.Subject{Start: func(t testing.TB) drivertest.Target {
		g := startTarget(t, tlsConfig)
		c := &Config{Request: "POST " + scheme + "://" + g.address + "/orders/{{id}}", Body: `{"id":"{{id}}"}`,
			Headers: map[string]string{"Idempotency-Key": "{{id}}"}, TLS: tlsconfig.Config{Insecure: secure}, HTTP2: http2, MaxBody: 1 << 20}
		configure(c)
		return drivertest.Target{Config: c, Behave: g.behave(t), Received: g.received.Load, Close: g.close}
	}}
	if http2 {
		// net/http reports any end of a connection to its streams as an unexpected EOF.
		subject.Wants = map[drivertest.Behaviour]drivertest.Want{
			drivertest.Reset: {Codes: []string{drivers.CodeReset, drivers.CodeClosed}},
		}
	}
	drivertest.Run(t, subject)
}

func TestConformance(t *testing.T) {
	off := false
	for name, test := range map[string]struct {
		secure, http2 bool
		configure     func(c *Config)
	}{
		"http1":         {false, false, func(*Config) {}},
		"http1 TLS":     {true, false, func(*Config) {}},
		"http1 closing": {false, false, func(c *Config) { c.Keepalive = &off }},
		"http1 GET":     {false, false, func(c *Config) { c.Request, c.Body = strings.TrimPrefix(c.Request, "POST "), "" }},
		"h2c":           {false, true, func(*Config) {}},
		"h2c GET": {false, true, func(c *Config) {
			c.Request, c.Body = strings.TrimPrefix(c.Request, "POST "), ""
		}},
		"h2":                     {true, true, func(*Config) {}},
		"http1 redirects":        {false, false, func(c *Config) { c.Redirects = 3 }},
		"http1 few a connection": {false, false, func(c *Config) { c.Connection.MaxRequests = 2 }},
		"http1 TLS old":          {true, false, func(c *Config) { c.Connection.MaxAge = time.Millisecond }},
		"h2c few a connection":   {false, true, func(c *Config) { c.Connection.MaxRequests = 3 }},
		"h2 redirects":           {true, true, func(c *Config) { c.Redirects = 3 }},
		"http1 chain":            {false, false, chained},
		"h2c chain":              {false, true, chained},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !slices.Contains([]string{"http1", "http1 TLS", "h2c", "h2"}, name) {
				tier.Slow(t, "the suite once more, with connections of another kind")
			}
			conformance(t, test.secure, test.http2, test.configure)
		})
	}
}

// chained makes the request a chain of one step. Each transmission of the suite beyond the first would be one too
// many.
func chained(c *Config) {
	c.Steps = []Step{{Name: "only", Request: c.Request, Body: c.Body}}
	c.Request, c.Body = "", ""
}

var _ drivers.Gauger = (*driver)(nil)
