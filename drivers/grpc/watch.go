package grpc

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc/stats"

	"wringer/drivers"
)

// watcher receives gRPC's events of connections and calls.
type watcher struct{ gauge *gauge }

// gauge counts connections.
type gauge struct{ open, opened atomic.Int64 }

func (g *gauge) began() {
	g.open.Add(1)
	g.opened.Add(1)
}

func (g *gauge) ended() { g.open.Add(-1) }

// call is what was observed of one call on the wire. Each call has its own, because late events of a call must not
// count for the next one.
type call struct {
	sent     atomic.Int32 // requests whose headers were sent: 1, and 1 more for each retry by the library
	unasked  atomic.Int32 // the transparent retries among them: the target had not processed the transmission before
	resend   atomic.Bool  // the current transmission is a transparent retry
	header   atomic.Bool  // the answer began with headers, so it is more than a bare status
	answered atomic.Bool  // the answer's status arrived
}

// count records how often an attempt was transmitted, once the call is over.
func (c *call) count(at *drivers.Attempt) {
	if sent := int(c.sent.Load()); sent > 0 {
		at.Wire, at.Hidden, at.Transparent = true, sent-1, min(int(c.unasked.Load()), sent-1)
	}
}

type callKey struct{}

// HandleRPC implements stats.Handler. Begin counts nothing, because gRPC also reports it for an attempt that found no
// connection.
func (*watcher) HandleRPC(ctx context.Context, s stats.RPCStats) {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		return
	}
	switch s := s.(type) {
	case *stats.Begin:
		// A target that began to answer has processed the call, even if it says otherwise. The library resends the
		// call all the same.
		c.resend.Store(s.IsTransparentRetryAttempt && !c.header.Load())
		// Events of the transmission before do not count for this one.
		c.header.Store(false)
		c.answered.Store(false)
	case *stats.OutHeader:
		c.sent.Add(1)
		if c.resend.Load() {
			c.unasked.Add(1)
		}
	case *stats.InHeader:
		c.header.Store(true)
	case *stats.InTrailer:
		c.answered.Store(true)
	}
}

// HandleConn implements stats.Handler.
func (w *watcher) HandleConn(_ context.Context, s stats.ConnStats) {
	switch s.(type) {
	case *stats.ConnBegin:
		w.gauge.began()
	case *stats.ConnEnd:
		w.gauge.ended()
	}
}

// TagRPC implements stats.Handler.
func (*watcher) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// TagConn implements stats.Handler.
func (*watcher) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
