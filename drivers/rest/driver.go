package rest

import (
	"crypto/tls"
	"fmt"
	"sync/atomic"

	"wringer/drivers"
)

// driver sends the requests of one stream.
type driver struct {
	plan
	env     drivers.Env
	layout  []piece // of an HTTP/1.1 head
	address string
	secure  *tls.Config // nil for http
	pool    *pool       // nil for HTTP/1.1
	replays *replaying  // nil when there are none

	open, opened atomic.Int64 // connections
}

func newDriver(env drivers.Env, p plan) (*driver, error) {
	d := &driver{plan: p, env: env, layout: p.request.head(), address: p.request.line.address()}
	if p.request.line.scheme == "https" {
		protocol := "http/1.1"
		if p.http2 {
			protocol = "h2"
		}
		secure, err := p.tls.open(&env, p.request.line.hostname(), protocol)
		if err != nil {
			return nil, fmt.Errorf("%w: rest: %w", drivers.ErrConfig, err)
		}
		d.secure = secure
	}
	if p.http2 {
		d.pool = newPool(d)
	}
	return d, nil
}

// Session implements drivers.Driver.
func (d *driver) Session() (drivers.Session, error) {
	if d.pool != nil {
		return &session2{d: d}, nil
	}
	s := &session{d: d}
	s.reader = reader{j: d.judge, a: &s.answer, maxBody: d.maxBody, noBody: d.request.line.method == "HEAD"}
	return s, nil
}

// Close implements drivers.Driver.
func (d *driver) Close() error {
	if d.pool != nil {
		d.pool.close()
	}
	return d.replays.close()
}

// Gauges implements drivers.Gauger.
func (d *driver) Gauges(emit func(name string, value float64)) {
	emit("connections", float64(d.open.Load()))
	emit("connections_opened", float64(d.opened.Load()))
}
