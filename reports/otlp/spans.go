package otlp

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"

	"wringer/reports"
)

// Config says where spans and metrics go.
type Config struct {
	Signal  Signal
	Version string // of this program
	// Failed takes the first failure, at once, from a goroutine of the exporter. Nil: nobody is told before Close.
	Failed func(error)
}

const (
	// waiting bounds the operations that wait for the collector. A further one is missing.
	waiting = 8192
	// batchSpans are exported at once, and what has gathered each second.
	batchSpans = 512
	gather     = time.Second
)

// errTooFast is why a span found no room, errTooLate why Close gave one up.
var (
	errTooFast = errors.New("spans came faster than the collector took them")
	errTooLate = errors.New("the collector took too long at the end")
)

// Spans exports a span for each attempt of the operations that are sampled. Its methods are safe for concurrent use, and do not
// block, but for Close.
type Spans struct {
	tally
	exporter trace.SpanExporter
	resource *resource.Resource
	queue    chan operation
	stop     chan struct{}
	done     chan struct{}
	ctx      context.Context // of the exports; cancelled when Close waits no longer
	cancel   context.CancelFunc

	mu      sync.RWMutex
	streams map[string]*stream // of the run
}

// NewSpans begins to export. The caller calls Close.
func NewSpans(ctx context.Context, c Config) (*Spans, error) {
	exporter, err := spanExporter(ctx, c.Signal.Protocol)
	if err != nil {
		return nil, err
	}
	return newSpans(ctx, c, exporter)
}

func newSpans(ctx context.Context, c Config, exporter trace.SpanExporter) (*Spans, error) {
	of, err := resourceOf(ctx, c.Version)
	if err != nil {
		return nil, err
	}
	x := &Spans{
		tally: tally{what: "spans", place: c.Signal.Place, failed: c.Failed}, exporter: exporter, resource: of,
		queue: make(chan operation, waiting), stop: make(chan struct{}), done: make(chan struct{}), streams: make(map[string]*stream),
	}
	x.ctx, x.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go x.run()
	return x, nil
}

// Begin announces a stream before its first operation. One whose requests carry no trace has no spans.
func (x *Spans) Begin(b reports.Begun) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.streams, b.Stream)
	if len(b.Trace.Headers) > 0 || b.Trace.Sampled > 0 {
		x.streams[b.Stream] = &stream{Begun: b}
	}
}

func (x *Spans) stream(name string) *stream {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.streams[name]
}

// Ended takes an operation that is over. It keeps nothing of it.
func (x *Spans) Ended(name string, e *reports.Ended) {
	s := x.stream(name)
	if s == nil {
		return
	}
	by := s.choose(e)
	if by == "" {
		return
	}
	o := operation{stream: s, ended: *e, by: by}
	if len(x.queue) == cap(x.queue) { // the copy would be for nothing
		x.exported(int64(o.count()), errTooFast)
		return
	}
	o.ended.Trail = slices.Clone(e.Trail)
	x.put(o)
}

// Settled begins a new second of the stream.
func (x *Spans) Settled(name string, _ time.Duration) {
	if s := x.stream(name); s != nil {
		s.second()
	}
}

// Finish implements traffic.Results. The record holds nothing of spans.
func (x *Spans) Finish() *reports.Samples { return nil }

// Conclude takes the record of a run and its evidence: a span of the run, and spans of anomalous operations that have none yet.
func (x *Spans) Conclude(run *reports.Run, evidence []reports.Violation) {
	x.put(operation{ready: []span{runSpan(run)}})
	for i := range evidence {
		if s := x.stream(evidence[i].Stream); s != nil {
			if spans := s.anomalous(&evidence[i]); len(spans) > 0 {
				x.put(operation{ready: spans})
			}
		}
	}
}

// put hands spans over. What finds no room is missing.
func (x *Spans) put(o operation) {
	select {
	case <-x.stop: // the queue may have room, and nobody reads it
	default:
		select {
		case x.queue <- o:
			return
		default:
		}
	}
	x.exported(int64(o.count()), errTooFast)
}

// run exports what waits until Close.
func (x *Spans) run() {
	defer close(x.done)
	tick := time.NewTicker(gather)
	defer tick.Stop()
	batch := make([]trace.ReadOnlySpan, 0, batchSpans)
	for {
		select {
		case o := <-x.queue:
			batch = x.append(batch, o)
		case <-tick.C:
			batch = x.export(batch)
		case <-x.stop:
			for len(x.queue) > 0 {
				batch = x.append(batch, <-x.queue)
			}
			x.export(batch)
			return
		}
	}
}

// append adds an operation's spans to the batch, and exports a full one. Once Close waits no longer, it counts them.
func (x *Spans) append(batch []trace.ReadOnlySpan, o operation) []trace.ReadOnlySpan {
	if x.ctx.Err() != nil {
		x.exported(int64(o.count()), errTooLate)
		return batch
	}
	for _, s := range o.spans() {
		batch = append(batch, s.snapshot(x.resource))
	}
	if len(batch) >= batchSpans {
		return x.export(batch)
	}
	return batch
}

func (x *Spans) export(batch []trace.ReadOnlySpan) []trace.ReadOnlySpan {
	if len(batch) > 0 {
		x.exported(int64(len(batch)), x.exporter.ExportSpans(x.ctx, batch))
	}
	return batch[:0]
}

// Close exports what waits, until ctx ends. The error says how many spans were not exported, and why.
func (x *Spans) Close(ctx context.Context) error {
	close(x.stop)
	defer context.AfterFunc(ctx, x.cancel)()
	<-x.done
	err := x.exporter.Shutdown(ctx)
	x.cancel()
	return errors.Join(x.err(), err)
}
