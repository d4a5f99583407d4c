package drivers

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"
)

// ErrUnreachable marks an error of Config.Open or Source.Start that the target caused: the target did not answer, or broke
// its protocol. Such a run is inconclusive ("the target was never healthy"). The harness or the scenario causes all other
// errors.
var ErrUnreachable = errors.New("target unreachable")

// ErrConfig marks an error of Config.Open that the scenario caused: an unknown method, an unknown field.
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

// DialFunc opens a connection. A driver gets a link as a DialFunc, and knows nothing else of the link.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Env is what a driver gets from the runner. Every field is set, and safe for concurrent use.
type Env struct {
	// Stream is the stream's name.
	Stream string
	// Identity writes and reads operation identities of this stream in this run.
	Identity Identity
	// Seed feeds every random choice of the stream.
	Seed uint64
	// Clock is the run's clock: time since the end of the warm-up, negative before. It is monotonic.
	Clock func() time.Duration
	// Epoch returns the wall time at which Clock is zero. It is known once traffic begins.
	Epoch func() time.Time
	// Dial opens the stream's own connections, through the stream's link if there is one.
	Dial DialFunc
	// Linked says that faults may break what Dial opens.
	Linked bool
	// Direct opens connections that no fault touches, for observers.
	Direct DialFunc
	// Timeout is the stream's timeout of one attempt, for client libraries with their own timeouts. The deadline in the
	// context of Session.Do is decisive.
	Timeout time.Duration
	// Mark is the template of the header MarkHeader in each request; empty: none.
	Mark string
	// Trace says what each request carries of its operation's trace.
	Trace Trace
	// Replay says whether an operation may be replayed once it is acknowledged. The driver then keeps its Attempt.Answer.
	// It is a pure function of the operation; nil: no operation.
	Replay func(seq uint64) bool
	// Output returns the lines that a part of the target writes from now on; see Lines. nil: the target keeps no output.
	Output func(part string) (Lines, error)
	// Keys is the size of the stream's key space; 0: it has no keys.
	Keys uint64
	// Sent computes again what the stream's driver sent; nil: it cannot, for the reason in NotSent. For sources of effects alone.
	Sent    SentBody
	NotSent error
	// Data is the data file of the stream's driver; nil: it has none.
	Data *Feed
	// Listener is what the configuration of a Listening source opened before the target started; nil for all others.
	Listener Listener
	// Passed says whether any request has passed the link of an Overhearing source, also before the step; nil for all others.
	Passed func() bool
	// Sessions is an upper bound of the sessions that are open at once.
	Sessions int
	// Files is the folder of the scenario file. Relative paths start there.
	Files string
	// Due notes what a driver is about to make outside this process, so that `wringer cleanup` removes it if the run is killed.
	// It returns once the note is on the disk. kind names the package that can undo it, and what says it in words. data is for
	// the undo. It is kept as JSON, with the names of environment variables in place of their values. done notes the removal. nil:
	// nothing is kept.
	Due func(kind, what string, data any) (done func() error, err error)
	Log *slog.Logger
}

// Config is one protocol's part of a stream. The struct's yaml tags decode it. Every string may hold ${...}, which is
// resolved before Open. A field's `jsonschema` tags describe it in the schema.
type Config interface {
	// Check reports errors in the configuration itself, before anything is sent. field is the yaml path below the driver's
	// key, for example "request" or "headers.Content-Type".
	Check(problem func(field, message string))
	// Describe returns what this configuration offers. It does no I/O, and returns the same each time. Texts may still hold
	// ${...}.
	Describe() Description
	// Open prepares the driver of one stream. It may dial, and must return when ctx ends. Errors wrap ErrUnreachable if the
	// target caused them, and ErrConfig if the scenario did.
	Open(ctx context.Context, env Env) (Driver, error)
}

// ErrLater marks the answer of ready for a path that cannot be read before the run; see FileChecker.
var ErrLater = errors.New("not to be read yet")

// FileChecker is an optional extra of a Config, a SourceConfig, a fault's or a target's configuration whose files say what is
// allowed: types, names, columns. A field that names a file has the tag path:"file"; the scenario then sees to it that the file is
// there. See also the other values of the tag, in scenarios/files.go.
type FileChecker interface {
	// CheckFiles reports every problem that shows in the files, and in what must fit them. It is called after a Check without
	// problems, before anything starts. It reads files, and does nothing else. folder is where relative paths start. ready returns
	// nil for a path of the configuration that can be read now. Of any other path nothing is to be told: the scenario tells what is
	// wrong with it, or it is ErrLater, because the target makes the file. Texts may still hold ${...}; then the value is not known.
	CheckFiles(folder string, ready func(path string) error, problem func(field, message string))
}

// Importer is an optional extra of a configuration whose files name further files.
type Importer interface {
	// Imports lists all files that would be read, as paths. folder is where relative paths start.
	Imports(folder string) (files []string)
}

// Warner is an optional extra of a Config or a SourceConfig that is valid, and does something that few want.
type Warner interface {
	// Warnings says what it does, and how to avoid it. It is called after a Check without problems, and does no I/O.
	Warnings() []string
}

// Nullable is an optional extra of a Config whose stream can be led to a null target: a peer that speaks the protocol, acknowledges
// everything and does nothing else. The load generator is measured with it.
type Nullable interface {
	// Null returns the configuration that sends the same to a null target. authority is the PEM file of who signed its certificate;
	// it has every name. It asks for no login. HTTP is answered with NullAnswer, and requests over messages by
	// replies. It does no I/O. Texts may still hold ${...}. It returns nil if operations need what the real target alone answers.
	Null(authority string) Config
}

// NullAnswer is the JSON body of each answer of a null target of HTTP. Its one member is NullMember, with some text.
const (
	NullAnswer = `{"` + NullMember + `":"1"}`
	NullMember = "value"
)

// Driver sends the operations of one stream.
type Driver interface {
	// Session opens one sequence of attempts. It must not wait for the target: the first attempt makes the connection.
	Session() (Session, error)
	// Close frees everything. All sessions must be closed before.
	Close() error
}

// Session makes attempts one after another. One goroutine at a time may use it.
type Session interface {
	// Do makes one attempt, and blocks until the outcome is known or ctx ends. It never retries. Resends by a client
	// library are counted in Attempt.Hidden. Do sets at.Outcome on every path.
	Do(ctx context.Context, op *Op, at *Attempt)
	Close() error
}

// Pipeline is an optional extra of a Driver whose attempts complete asynchronously, in any order. The runner then calls
// Send and opens no sessions.
type Pipeline interface {
	// Send hands over one attempt. Calls come from one goroutine at a time, and transmissions keep their order. The attempt
	// ends at its Timeout, or when ctx ends. Attempts share a context, to save the cost of one each. Send may block while
	// the client's own buffer is full, at most until the attempt has ended. done is called exactly once, from any
	// goroutine, possibly before Send returns; it does not block. op and at belong to the driver until then.
	Send(ctx context.Context, op *Op, at *Attempt, done func())
	// Flush blocks until done was called for all attempts, or ctx ends.
	Flush(ctx context.Context) error
}

// Polled is an optional extra of a Driver that can run the open model on the goroutine that paces it. The runner then uses
// the poller and no sessions; closed models still use sessions.
type Polled interface {
	// Poller opens a poller. It returns nil if the stream's operations need sessions.
	Poller() (Poller, error)
}

// Poller is a pipeline whose attempts progress only while its user calls Await.
type Poller interface {
	// Send is as in Pipeline, and never blocks. It relies on the state of the connections that the Await just before saw.
	Send(ctx context.Context, op *Op, at *Attempt, done func())
	// Await ends the attempts that are complete, and waits for at most d. If d is not positive it does not wait. It calls
	// done. Calls come from one goroutine, while attempts are in flight. When ctx ends, all attempts end.
	Await(ctx context.Context, d time.Duration)
	// Close frees everything. All attempts must have ended.
	Close() error
}

// Gauger is an optional extra of a Driver or a Source: figures specific to the protocol (connections, lag), never below 0. It
// is called about once a second, from one goroutine, and must not block.
type Gauger interface {
	Gauges(emit func(name string, value float64))
}

// Verifier is an optional extra of a Driver that can read back what it wrote.
type Verifier interface {
	// Source returns nil if the scenario switched verification off.
	Source() (Source, error)
}

// Producers is an optional extra of a Verifier that sends by several producers. One producer sends all operations of a key.
// Producer number Seq modulo Producers sends an operation without a key. Order holds only within a producer.
type Producers interface{ Producers() uint64 }

// ErrNoPeer marks an error of Peers.Resolve: the peers answered, and the branch names none of them.
var ErrNoPeer = errors.New("no such peer")

// Peers is implemented by the Driver, or the Group, of a configuration whose description says Peers. Both methods ask the
// peers anew each time, over connections that no fault breaks. They block until the peers answer or ctx ends. Safe for
// concurrent use.
type Peers interface {
	// Peers returns the peers' addresses, host:port as the driver dials them, by name.
	Peers(ctx context.Context) (map[string]string, error)
	// Resolve returns the name of the peer that a branch means now; see Branched. The error wraps ErrNoPeer if there is
	// none.
	Resolve(ctx context.Context, branch string) (name string, err error)
}

// Branched is a Config or a SourceConfig whose description says Peers. A scenario names one peer as a branch of the
// stream's link, LINK/BRANCH. The protocol defines the text of a branch.
type Branched interface {
	// CheckBranch returns what is wrong with a branch's text, nil if it can name a peer. It does no I/O.
	CheckBranch(branch string) error
}

// SourceConfig is one protocol's part of `effects:` or `consume:`.
type SourceConfig interface {
	// Check is as in Config.
	Check(problem func(field, message string))
	// Describe is as in Config.
	Describe() SourceDescription
	// Open prepares a source. Sources do not dial through links: faults must not hide records from the checks.
	Open(ctx context.Context, env Env) (Source, error)
}

// Fed is an optional extra of a Config whose templates may be fed by a data file. Feed reads that file as the driver does, nil
// without one.
type Fed interface {
	Feed(folder string, seed uint64) (*Feed, error)
}

// Patient is an optional extra of a Source. CatchUpLimit is the longest that its CatchUp may take.
type Patient interface{ CatchUpLimit() time.Duration }

// Secretive is an optional extra of a configuration with texts that no record may hold. Each is hidden wherever it occurs.
type Secretive interface{ Secrets() []string }

// Lines are the lines that a part of the target writes, in the order of its writing.
type Lines interface {
	// Next blocks until there is a line, without its end, or ctx ends. An error that is not ctx's means that lines are missing.
	Next(ctx context.Context) (line []byte, err error)
	// Drained says that every line written before the call was returned by Next.
	Drained() bool
	Close()
}

// Listener is the address that the target calls.
type Listener interface {
	// URL is what the target is told, as ${effects.NAME}.
	URL() string
	Close() error
}

// Listening is a SourceConfig that the target calls. Its listener is open as long as the target runs, and each step's source attaches
// to it: Env.Listener.
type Listening interface {
	SourceConfig
	// ListenAddress is where the scenario says to listen; empty: where the target reaches this process.
	ListenAddress() string
	// Listen opens the listener by listen, which knows the target's network.
	Listen(listen func(address string) (net.Listener, error)) (Listener, error)
}

// Source observes where operations show up. It reads beside the system under test, and takes nothing away from it.
//
// A log (a topic, a table) allows several readers side by side. Each of its deliveries has a Position.
//
// A queue hands each record to one consumer. A source for a queue therefore makes a tap that gets a copy of each record:
// its own queue bound to the same exchange, or its own subscription to the same topic. It never consumes from the system's
// own queue unless the scenario asks for that: records that it took would be missing from the system. Its deliveries have
// no Position, and Redelivered is what the broker says. When the source loses its connection, the broker delivers
// unconfirmed records again. The source then drops records that it delivered before, or Receive ends with an error:
// redeliveries caused by the source must not be counted against the system.
//
// drivertest.RunSource checks this contract for logs and queues.
type Source interface {
	// Start fixes where observation begins: earlier records do not belong to this run. A source for a queue makes its tap
	// here. Called once, before traffic.
	Start(ctx context.Context) error
	// Receive delivers records until ctx ends, and then returns nil. deliver is called from one goroutine at a time, and
	// does not keep the slices of the Delivery. Records of a log come in the order of their positions, records of a queue
	// in the queue's order. Receive reconnects by itself. An error means that observation is incomplete (records were
	// removed before they were read, access was denied) and integrity is unknown.
	Receive(ctx context.Context, deliver func(*Delivery)) error
	// CatchUp blocks until everything that the source held at the call was delivered; for a queue, until the tap was
	// drained. After an error this is unknown: records that were not seen count as unknown, not as lost. It runs beside
	// Receive, and returns when ctx ends.
	CatchUp(ctx context.Context) error
	// Close frees everything, the tap included. Receive must have returned.
	Close() error
}
