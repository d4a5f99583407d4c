package grpc

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc/stats"
)

// watcher hears from gRPC what becomes of connections and calls.
type watcher struct{ gauge *gauge }

type gauge struct{ open, opened atomic.Int64 }

// call is what was seen of one call on the wire. Each call has a call of its own: what is still heard after it ended
// must not count for the next one.
type call struct {
	sent     atomic.Int32 // requests whose headers left: 1, and 1 more for each transparent retry
	header   atomic.Bool  // the answer began with headers: it is more than a bare status
	answered atomic.Bool  // the answer's status came
}

type callKey struct{}

// HandleRPC implements stats.Handler. Begin is not counted: it also comes for an attempt that found no connection.
func (*watcher) HandleRPC(ctx context.Context, s stats.RPCStats) {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		return
	}
	switch s.(type) {
	case *stats.OutHeader:
		c.sent.Add(1)
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
		w.gauge.open.Add(1)
		w.gauge.opened.Add(1)
	case *stats.ConnEnd:
		w.gauge.open.Add(-1)
	}
}

// TagRPC implements stats.Handler.
func (*watcher) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// TagConn implements stats.Handler.
func (*watcher) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
