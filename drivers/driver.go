package drivers

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"
)

// ErrUnreachable marks an error of Config.Open or Source.Start that the target caused: it did not answer, or not as its
// protocol demands. Such a run is inconclusive ("the target was never healthy"); any other error is the harness's or
// the scenario's.
var ErrUnreachable = errors.New("target unreachable")

// ErrConfig marks an error of Config.Open that the scenario caused: no such method, a field that does not exist.
var ErrConfig = errors.New("scenario error")

// ErrOutside marks the error of a dial that the run's bounds forbid: a host that nobody allowed by name.
var ErrOutside = errors.New("outside of the run's bounds")

// NamedByTarget returns ctx for a dial to an address that the target named in an answer: a redirect, a broker of a cluster. Where
// the bounds forbid such a dial, only the dial fails. Where they forbid one that the scenario names, the run ends.
func NamedByTarget(ctx context.Context) context.Context {
	return context.WithValue(ctx, namedByTarget{}, true)
}

// IsNamedByTarget says whether ctx came from NamedByTarget.
func IsNamedByTarget(ctx context.Context) bool { return ctx.Value(namedByTarget{}) != nil }

type namedByTarget struct{}

// DialFunc opens a connection. A link is handed to a driver as one of these, and the driver knows nothing else of it.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Env is what a driver gets from the runner. All of it is set, and safe for concurrent use.
type Env struct {
	// Stream is the stream's name.
	Stream string
	// Identity writes and reads operation identities of this stream in this run.
	Identity Identity
	// Seed feeds every random choice of the stream.
	Seed uint64
	// Clock is the run's clock: time since the end of the warm-up, negative before, monotonic.
	Clock func() time.Duration
	// Epoch returns the wall time of Clock's zero. It is known once traffic begins.
	Epoch func() time.Time
	// Dial opens the stream's own connections, through the stream's link when it has one.
	Dial DialFunc
	// Linked says that faults may break what Dial opens.
	Linked bool
	// Direct opens connections that no fault touches, for what watches from outside.
	Direct DialFunc
	// Timeout is the stream's timeout of one attempt: a hint for client libraries with timeouts of their own. The
	// context of Session.Do carries the deadline that counts.
	Timeout time.Duration
	// Mark is the text, with {{...}}, of the header MarkHeader that each request carries; empty: none.
	Mark string
	// Replay says of an operation whether it is one that may be replayed once it is acknowledged: the driver then keeps its
	// Attempt.Answer. A pure function of the operation; nil: none is.
	Replay func(seq uint64) bool
	// Sessions is an upper bound of the sessions that will be open at once.
	Sessions int
	// Files is the folder of the scenario file, against which relative paths are resolved.
	Files string
	Log   *slog.Logger
}

// Config is one protocol's part of a stream, decoded from the scenario by the struct's yaml tags; every string may
// hold ${...}, resolved before Open. A field's `jsonschema` tags describe it in the schema.
type Config interface {
	// Check reports what is wrong in itself, before anything is sent. field is the yaml path below the driver's key,
	// for example "request" or "headers.Content-Type".
	Check(problem func(field, message string))
	// Describe returns what this configuration offers. It does no I/O, and returns the same each time. Texts may still
	// hold ${...}.
	Describe() Description
	// Open prepares the driver of one stream: it may dial, and must return when ctx ends. Errors wrap ErrUnreachable or
	// ErrConfig where they are the target's or the scenario's.
	Open(ctx context.Context, env Env) (Driver, error)
}

// Driver sends the operations of one stream.
type Driver interface {
	// Session opens one line of traffic. It must not block on the target: connections are made by the first attempt.
	Session() (Session, error)
	// Close frees everything. Every session is closed before.
	Close() error
}

// Session makes attempts one after the other; one goroutine uses it at a time.
type Session interface {
	// Do makes one attempt and blocks until its outcome is known or ctx ends. It never retries by itself (what the
	// client library does behind its back is counted in Attempt.Hidden), and sets at.Outcome on every path.
	Do(ctx context.Context, op *Op, at *Attempt)
	Close() error
}

// Pipeline is an optional extra of a Driver whose attempts complete by themselves, in an order of their own. The runner
// then calls Send instead of opening sessions.
type Pipeline interface {
	// Send hands over one attempt; calls come from one goroutine at a time, and transmissions keep their order. The attempt
	// ends at its Timeout, or when ctx does: attempts share their context, so that none pays for one of its own. Send may
	// block while the client's own buffer is full, at most until the attempt is over. done is called exactly once, from any
	// goroutine, possibly before Send returns; it does not block. op and at belong to the driver until then.
	Send(ctx context.Context, op *Op, at *Attempt, done func())
	// Flush blocks until done was called for all that was sent, or ctx ends.
	Flush(ctx context.Context) error
}

// Polled is an optional extra of a Driver that can carry the open model on the goroutine that paces it. The runner then uses the
// poller instead of opening sessions; closed models still use sessions.
type Polled interface {
	// Poller opens a poller, or returns nil where the stream's operations need sessions.
	Poller() (Poller, error)
}

// Poller is a pipeline whose attempts progress only while its user calls Await.
type Poller interface {
	// Send is a Pipeline's, and never blocks. What was seen of the connections by an Await just before holds for it.
	Send(ctx context.Context, op *Op, at *Attempt, done func())
	// Await ends the attempts that are over, and waits for d, or less; only looking when d is not positive. It calls done.
	// Calls come from one goroutine, as long as attempts are under way. When ctx ends, so do all of them.
	Await(ctx context.Context, d time.Duration)
	// Close frees everything, after every attempt is over.
	Close() error
}

// Gauger is an optional extra of a Driver or a Source: figures that only this protocol has (connections, lag). It is
// called about once a second, from one goroutine, and does not block.
type Gauger interface {
	Gauges(emit func(name string, value float64))
}

// Verifier is an optional extra of a Driver that can read back what it wrote.
type Verifier interface {
	// Source returns nil when the scenario switched verification off.
	Source() (Source, error)
}

// Producers is an optional extra of a Verifier that sends by several producers. One producer sends all operations of a key;
// an operation without a key is sent by producer number Seq modulo Producers. Between producers there is no order.
type Producers interface{ Producers() uint64 }

// ErrNoPeer marks an error of Peers.Resolve: the peers answered, and the branch names none of them.
var ErrNoPeer = errors.New("no such peer")

// Peers is what the driver, or the Group, of a configuration has whose description says Peers. Both methods ask the peers anew
// each time, over connections that no fault breaks, and block until they have answered or ctx ends. Safe for concurrent use.
type Peers interface {
	// Peers returns the addresses, host:port, at which the driver dials them, by name.
	Peers(ctx context.Context) (map[string]string, error)
	// Resolve returns the name of the peer that a branch means now; see Branched. The error wraps ErrNoPeer where there is none.
	Resolve(ctx context.Context, branch string) (name string, err error)
}

// Branched is a Config or a SourceConfig whose description says Peers. A scenario names one of the peers as a branch of the
// stream's link, LINK/BRANCH. What may stand as a branch is the protocol's own affair.
type Branched interface {
	// CheckBranch returns what is wrong with the text of a branch; nil when it can name a peer. It does no I/O.
	CheckBranch(branch string) error
}

// SourceConfig is one protocol's part of `effects:` or `consume:`.
type SourceConfig interface {
	// Check is as a Config's.
	Check(problem func(field, message string))
	// Describe is as a Config's.
	Describe() SourceDescription
	// Open prepares a source. Sources do not dial through links: what a fault hides from the target's clients must not
	// be hidden from the judge.
	Open(ctx context.Context, env Env) (Source, error)
}

// Source observes where operations show up. It watches beside the system under test, and takes nothing away from it.
//
// A log (a topic, a table) lets several read side by side. Its deliveries have a Position each.
//
// A queue hands each record to one consumer. A source over a queue therefore makes a tap of its own, which gets a copy of each
// record: a queue of its own bound to the same exchange, a subscription of its own to the same topic. It never consumes from
// the system's own queue, unless the scenario asks for exactly that: what it took would be missing from the system. Its
// deliveries have no Position, and Redelivered is what the broker says. When the source loses its connection, the broker hands
// out again what the source had not confirmed. A record that was delivered before is then dropped by the source, or Receive
// ends with an error: what the source itself caused must not be counted against the system.
//
// drivertest.RunSource checks this contract for logs and queues.
type Source interface {
	// Start fixes where observation begins: what stood there before is not this run's. A source over a queue makes its tap
	// here. Called once, before traffic.
	Start(ctx context.Context) error
	// Receive delivers what arrives until ctx ends, then returns nil. deliver is called from one goroutine at a time,
	// and does not keep the slices of the Delivery. The records of one log come in the order of their positions, those of a
	// queue in the order in which the queue hands them out. A lost connection is mended inside; an error means that
	// observation is no longer whole (records were removed before they were read, access denied) and integrity is unknown.
	Receive(ctx context.Context, deliver func(*Delivery)) error
	// CatchUp blocks until everything that stood in the source when it was called was handed to deliver: of a queue, until
	// the tap was drained. An error means that this is not known, and that what was not seen is unknown instead of lost. It
	// runs beside Receive, and returns when ctx ends.
	CatchUp(ctx context.Context) error
	// Close frees everything, the tap too, after Receive returned.
	Close() error
}
