package rest

import (
	"crypto/tls"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"wringer/drivers"
	"wringer/drivers/tlsconfig"
)

// fleet holds the origins that a stream sends to, and how connections to them are made. It is safe for concurrent use.
type fleet struct {
	env       drivers.Env
	tls       tlsconfig.Config
	http2     bool
	reuse     bool
	redirects int
	maxBody   int64
	unix      string
	maxAge    time.Duration
	maxUses   int

	open, opened, followed atomic.Int64 // connections, and redirects

	mu      sync.Mutex
	origins map[string]*origin // by scheme and authority
}

// origin is one place that requests go to.
type origin struct {
	fleet   *fleet
	env     drivers.Env
	scheme  string
	host    string // with its port
	network string
	address string      // what is dialled
	secure  *tls.Config // nil for http
	pool    *pool       // nil for HTTP/1.1
}

// maxOrigins bounds the origins that redirects can lead to.
const maxOrigins = 256

func newFleet(env drivers.Env, c *Config) *fleet {
	f := &fleet{
		env: env, tls: c.TLS, http2: c.HTTP2, reuse: c.reuse(), redirects: c.Redirects, maxBody: int64(c.MaxBody),
		maxAge: c.Connection.MaxAge, maxUses: c.Connection.MaxRequests, origins: make(map[string]*origin),
	}
	if f.maxBody == 0 {
		f.maxBody = defaultMaxBody
	}
	if c.Connection.Unix != "" {
		f.unix = drivers.ResolvePath(env.Files, c.Connection.Unix)
	}
	return f
}

// origin finds, or makes, the origin that a request goes to. Nothing is dialled.
func (f *fleet) origin(l line) (*origin, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := l.scheme + "://" + l.address()
	if o := f.origins[key]; o != nil {
		return o, nil
	}
	if len(f.origins) >= maxOrigins {
		return nil, fmt.Errorf("%s: more than %d places", l.host, maxOrigins)
	}
	o := &origin{fleet: f, env: f.env, scheme: l.scheme, host: l.address(), network: "tcp", address: l.address()}
	if f.unix != "" {
		o.network, o.address = "unix", f.unix
	}
	if l.scheme == "https" {
		protocol := "http/1.1"
		if f.http2 {
			protocol = "h2"
		}
		secure, err := f.tls.Load(f.env.Files)
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
	if f.http2 {
		o.pool = newPool(o)
	}
	f.origins[key] = o
	return o, nil
}

// driver makes the driver of one request.
func (f *fleet) driver(r *request, j *judge) (*driver, error) {
	o, err := f.origin(r.line)
	if err != nil {
		return nil, err
	}
	return &driver{origin: o, request: r, judge: j, layout: r.head(), reuse: f.reuse, maxBody: f.maxBody}, nil
}

// life is what a connection has behind it.
type life struct {
	born time.Time
	used int
}

// limited says whether connections end before their time.
func (f *fleet) limited() bool { return f.maxAge > 0 || f.maxUses > 0 }

// over says whether a connection takes no further request. Each takes one: one that was old before its first request would
// be replaced without end.
func (f *fleet) over(l *life) bool {
	return l.used > 0 && (f.maxUses > 0 && l.used >= f.maxUses || f.maxAge > 0 && time.Since(l.born) >= f.maxAge)
}

// Close implements drivers.Driver.
func (f *fleet) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range f.origins {
		if o.pool != nil {
			o.pool.close()
		}
	}
	return nil
}

// Gauges implements drivers.Gauger.
func (f *fleet) Gauges(emit func(name string, value float64)) {
	emit("connections", float64(f.open.Load()))
	emit("connections_opened", float64(f.opened.Load()))
	if f.redirects > 0 {
		emit("redirects", float64(f.followed.Load()))
	}
}
