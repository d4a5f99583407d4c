package rest

import (
	"crypto/tls"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"wringer/drivers"
	"wringer/drivers/tlsconfig"
)

// client holds the origins that a stream sends to, and the settings of their connections. It is safe for concurrent
// use.
type client struct {
	env       drivers.Env
	tls       tlsconfig.Config
	http2     bool
	reuse     bool
	redirects int
	maxBody   int64 // 0: not set
	unix      string
	maxAge    time.Duration
	maxUses   int
	resends   bool // requests that the target surely did not read are sent again

	open, opened, followed atomic.Int64 // counts of connections, and of redirects

	mu      sync.Mutex
	origins map[string]*origin // by scheme and authority
}

// origin is one place that requests go to.
type origin struct {
	client  *client
	env     drivers.Env
	scheme  string
	host    string // with the port
	network string
	address string      // the address to dial
	secure  *tls.Config // nil for http
	pool    *pool       // nil for HTTP/1.1
}

// maxOrigins bounds the origins that redirects can lead to.
const maxOrigins = 256

func newClient(env drivers.Env, c *Config) *client {
	cl := &client{
		env: env, tls: c.TLS, http2: c.HTTP2, reuse: c.reuse(), redirects: c.Redirects, maxBody: int64(c.MaxBody),
		maxAge: c.Connection.MaxAge, maxUses: c.Connection.MaxRequests,
		resends: c.Connection.resend(), origins: make(map[string]*origin),
	}
	if c.authority != "" {
		cl.tls = *c.TLS.Trusting(c.authority)
	}
	if c.Connection.Unix != "" {
		cl.unix = drivers.ResolvePath(env.Files, c.Connection.Unix)
	}
	return cl
}

// origin returns the origin of a request, and makes it if needed. It dials nothing.
func (cl *client) origin(l requestLine) (*origin, error) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	key := l.scheme + "://" + l.address()
	if o := cl.origins[key]; o != nil {
		return o, nil
	}
	if len(cl.origins) >= maxOrigins {
		return nil, fmt.Errorf("%s: more than %d places", l.host, maxOrigins)
	}
	o := &origin{client: cl, env: cl.env, scheme: l.scheme, host: l.address(), network: "tcp", address: l.address()}
	if cl.unix != "" {
		o.network, o.address = "unix", cl.unix
	}
	if l.scheme == "https" {
		protocol := "http/1.1"
		if cl.http2 {
			protocol = "h2"
		}
		secure, err := cl.tls.Load(cl.env.Files)
		if err != nil {
			return nil, err
		}
		if secure.ServerName == "" {
			secure.ServerName = l.hostname()
		}
		secure.NextProtos = []string{protocol}
		secure.ClientSessionCache = tls.NewLRUClientSessionCache(0)
		o.secure = secure
	}
	if cl.http2 {
		o.pool = newPool(o)
	}
	cl.origins[key] = o
	return o, nil
}

// driver makes the driver of one request.
func (cl *client) driver(r *request, ev *evaluator) (*driver, error) {
	o, err := cl.origin(r.line)
	if err != nil {
		return nil, err
	}
	return &driver{origin: o, request: r, evaluator: ev, layout: r.head(), reuse: cl.reuse, maxBody: cl.bound(ev)}, nil
}

// bound is the bound on bodies. A body that nobody needs is counted and not kept, so it needs none.
func (cl *client) bound(ev *evaluator) int64 {
	switch {
	case !ev.keep:
		return math.MaxInt64
	case cl.maxBody > 0:
		return cl.maxBody
	}
	return defaultMaxBody
}

// life is the age and use of a connection.
type life struct {
	born time.Time
	used int
}

// limited reports whether max_age or max_requests limits the connections.
func (cl *client) limited() bool { return cl.maxAge > 0 || cl.maxUses > 0 }

// over reports whether a connection takes no further request. Every connection takes one request: otherwise a
// connection that is too old before its first request would be replaced without end.
func (cl *client) over(l *life) bool {
	return l.used > 0 && (cl.maxUses > 0 && l.used >= cl.maxUses || cl.maxAge > 0 && time.Since(l.born) >= cl.maxAge)
}

// Close implements drivers.Driver.
func (cl *client) Close() error {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	for _, o := range cl.origins {
		if o.pool != nil {
			o.pool.close()
		}
	}
	return nil
}

// Gauges implements drivers.Gauger.
func (cl *client) Gauges(emit func(name string, value float64)) {
	emit("connections", float64(cl.open.Load()))
	emit("connections_opened", float64(cl.opened.Load()))
	if cl.redirects > 0 {
		emit("redirects", float64(cl.followed.Load()))
	}
}
