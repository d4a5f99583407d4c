package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"
)

// Fault is one thing that goes wrong, and is undone again.
type Fault interface {
	// Inject breaks. It returns once the fault is in force. If it returns an error, nothing is broken.
	Inject(ctx context.Context) error
	// Heal undoes Inject. It is idempotent, and may run while Inject still runs. It is always called, on a context of its
	// own, and must return when ctx ends.
	Heal(ctx context.Context) error
	// Probe is called after Heal. It returns nil if the path works as before.
	Probe(ctx context.Context) error
	// Bite says what the fault has touched so far. Safe for concurrent use.
	Bite() Bite
}

// Bite is the evidence that a fault touched traffic, by the fault's own counters.
type Bite struct {
	// Bit says that at least one byte, connection or request met the fault while it was in force.
	Bit bool
	// Unmeasured says why the mechanism cannot tell whether the fault touched the traffic that there was. Bit is false then. Empty:
	// it can tell.
	Unmeasured string
	// Connections and Bytes count what met the fault; negative if the mechanism cannot count them.
	Connections, Bytes int64
	// ToTarget and FromTarget count the directions apart; nil if the mechanism does not. A connection that met the fault in
	// both directions counts in both, and once in Connections.
	ToTarget, FromTarget *Met
	// Peer is the peer that the fault broke, of several behind its link. It is empty for a whole link.
	Peer string
	// Words describe what met a fault that counts neither connections nor bytes: "41 packets from orders to stock". May be empty.
	Words string
}

// Met is what met a fault in one direction.
type Met struct{ Connections, Bytes int64 }

// Config is one kind of fault in the scenario. Its yaml tags decode it, beside the keys that every fault has (name, at,
// for).
type Config interface {
	// Check reports errors in the configuration itself. field is the yaml key.
	Check(problem func(field, message string))
	// Kind is a short stable name for the record: latency, partition, pause, ...
	Kind() string
	// On names what the fault breaks: a link or a part.
	On() Place
	// Describe returns what else is known of the fault. It returns the same each time.
	Describe() Description
	// Open prepares the fault. Nothing is broken yet.
	Open(env Env) (Fault, error)
}

// Place names what a fault breaks. One of the two is empty.
type Place struct {
	Link string // a stream's own connections have the stream's name; LINK/BRANCH is one peer behind the link
	Part string // a part of the target
}

// Env is what a fault gets from the runner.
type Env struct {
	// Name is the planned fault's name. It is fit for a file name.
	Name string
	// Link returns the open link of that name.
	Link func(name string) (Link, error)
	// Peers returns the peers behind the link of that name. A link that is one path returns an error.
	Peers func(link string) (Peers, error)
	// Part returns the target's part of that name.
	Part func(name string) (Part, error)
	// Parts are the names of all parts of the target. May be nil.
	Parts []string
	// Dial connects to addresses that the fault needs outside the links, within the run's bounds. May be nil: unbounded.
	Dial DialFunc
	// Seed feeds every random choice of the fault.
	Seed uint64
	// For is the planned length of the fault each time, for faults that change over time.
	For time.Duration
	// Files is the folder for relative file names.
	Files string
	Log   *slog.Logger
	// Journal notes what the fault does outside this process, before the fault does it. May be nil.
	Journal *Journal
	// Output opens a file of evidence in the record, of bounded length. nil: no evidence is kept.
	Output func(name string) (io.WriteCloser, error)
}

// Description is what a Config says of a fault before it is opened.
type Description struct {
	// Words describes the fault in one line: latency 80ms, jitter 20ms.
	Words string
	// Templated says that texts may hold variables of the target. They are filled in before Open.
	Templated bool
}

// Exclusive is a Config whose fault cannot be in force together with certain others, because healing one would heal the
// other too.
type Exclusive interface {
	Config
	// Excludes says whether the fault excludes the other. It is symmetric.
	Excludes(other Config) bool
}

// Seizing is a Config whose fault has a part of the target to itself: two such faults on one part exclude each other.
type Seizing interface {
	Config
	Seizes() (part string)
}

// SeizeTheSame says whether both faults have one part to themselves.
func SeizeTheSame(a Seizing, b Config) bool {
	other, ok := b.(Seizing)
	return ok && a.Seizes() == other.Seizes()
}

// Reaching is a Config that names more parts than the one of On: all of them must exist, and a part that ends while the fault is in
// force may have ended because of it.
type Reaching interface {
	Config
	Reaches() (parts []string)
}

// Choosy is a Config whose fault does not act on every stream's link.
type Choosy interface {
	Config
	// Refuses says why the fault does not act on the clients of the link, with the remedy. Empty: it acts on them.
	Refuses(c Clients) string
}

// Clients is what a scenario tells of the clients on a stream's own link.
type Clients struct {
	TLS bool // what they send cannot be read
	// Recognised says why the target recognises what they send again. Empty: it does not.
	Recognised string
}

// Distant is a Config whose programs and files may lie elsewhere than on this machine.
type Distant interface {
	Config
	Distant() bool
}

// Slow is an optional extra of a Fault or a Part whose calls may exceed the timeline's bound. A fault on a slow Part is
// slow too.
type Slow interface {
	// Patience is how long one call may take. It returns the same each time.
	Patience() time.Duration
}

// Watched is an optional extra of a Fault, or of its Part, that others can undo while it is in force.
type Watched interface {
	// Lapse is called after Heal. It says for how long the fault was not in force between Inject and Heal, and why. The text is
	// the rest of a sentence that begins with the fault: "was not in force for 3s of its time: ...". nil: it was in force
	// throughout.
	Lapse() error
}

// DialFunc is net.Dialer's DialContext.
type DialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// Link is a named network path that faults can break. Each mechanism has its own links.
type Link interface {
	Name() string
	// Dial connects to address over the link. The only timeout is ctx.
	Dial(ctx context.Context, network, address string) (net.Conn, error)
}

// DialsVia is an optional extra of a Link whose connections to the target can be made by another dial function.
type DialsVia interface {
	// DialVia is Dial, with the connection to the target made by dial.
	DialVia(ctx context.Context, network, address string, dial DialFunc) (net.Conn, error)
}

// Calibrated is a Link that knows its own cost. The cost is the extra time of a round trip over the link while no fault is
// in force, measured when the link was opened.
type Calibrated interface {
	Cost() time.Duration
}

// Tapped is a Link that can look at the traffic on it.
type Tapped interface {
	// Tap returns a Fault that changes nothing. While injected it shows counts what passes on connections dialled to a
	// matching address, and counts, as its Bite, that for which counts returns true. counts must be safe for concurrent use,
	// and must not block.
	Tap(match func(address string) bool, counts func(Passing) bool) Fault
}

// Passing is something that passes on a tapped connection.
type Passing struct {
	Kind       PassingKind
	FromTarget bool
	// Bytes are those of the piece. Total are those of its direction, on this connection since the tap was injected, the piece
	// included; Asked are those to the target. Run are those of its direction since the other one last spoke.
	Bytes, Total, Asked, Run int64
	// Since is the time since the tap was injected, or since the connection was made if that was later.
	Since time.Duration
}

// PassingKind is the kind of what passes.
type PassingKind uint8

const (
	// PassedPiece is a piece of bytes.
	PassedPiece PassingKind = iota
	// PassedEnd is the end of a direction, which its sender ended before anything else ended the connection.
	PassedEnd
	// PassedRefusal is a dial that the target refused.
	PassedRefusal
)

// ErrLeaked says that a probe still saw a healed fault: the path does not work as before.
var ErrLeaked = errors.New("leaked fault")

// Mesh opens links. One mesh serves a run.
type Mesh interface {
	// Link returns the link of that name. The first call opens it.
	Link(name string) (Link, error)
	// Close closes every link and waits for its goroutines, at most until ctx ends.
	Close(ctx context.Context) error
}

// Part is a named piece of a target that can be frozen or killed: a component of the embedded target, a process, a
// container. Each call is idempotent, and blocks until it took effect.
type Part interface {
	// Pause freezes the part: it keeps its connections and state, and answers nothing. Resume undoes it.
	Pause(ctx context.Context) error
	Resume(ctx context.Context) error
	// Kill ends the part at once; its memory is lost. Start starts it again.
	Kill(ctx context.Context) error
	Start(ctx context.Context) error
	// Met counts the requests or messages that met the part while it was paused or killed, and those in progress in it at
	// that moment.
	Met() int64
	// Ready returns nil if the part works.
	Ready(ctx context.Context) error
}

// Stopper is a Part that can be ended gracefully. Start starts it again.
type Stopper interface {
	// Stop asks the part to end and waits until it has. A part that takes too long is killed. It is idempotent.
	Stop(ctx context.Context) error
}

// Publisher is a Part whose ports are reached at ports of the machine that runs it.
type Publisher interface {
	// Published returns the part's own port that is reached at a port of the machine; false: none of the part's is.
	Published(port string) (own string, ok bool)
}

// FileLimiter is a Part whose open files can be limited.
type FileLimiter interface {
	// LimitFiles lets the part open at most this many files and sockets; open ones stay open. RestoreFiles undoes it. Met
	// counts connections that waited because no file could be opened. Both are idempotent.
	LimitFiles(ctx context.Context, most uint64) error
	RestoreFiles(ctx context.Context) error
}

// Counting is a Part that may have to get ready before it can count what faults on it meet.
type Counting interface {
	// PrepareToCount is called before the run. It may take as long as the start of a container. An error says what will not be
	// counted, and why; faults work without.
	PrepareToCount(ctx context.Context) error
}

// Signaller is a Part that can be ended by any signal. Start starts it again.
type Signaller interface {
	// Signal sends the signal, TERM or KILL, and waits until the part has ended. A part that goes on is an error. It is idempotent.
	Signal(ctx context.Context, signal string) error
}

// CPULimiter is a Part whose processor time can be limited by the system that runs it.
type CPULimiter interface {
	// LimitCPU leaves the part a share of the processors that it may use. RestoreCPU undoes it. Met counts the times that the part
	// was held back. Both are idempotent.
	LimitCPU(ctx context.Context, share float64) error
	RestoreCPU(ctx context.Context) error
}

// Command is a command to run in a part: a program with its arguments, environment variables (NAME=VALUE) and the folder.
type Command struct {
	Words []string `json:"words"`
	Env   []string `json:"env,omitempty"`
	Dir   string   `json:"dir,omitempty"`
}

// ExitStatus is the error of a command in a part that ended with a status other than 0.
type ExitStatus int

func (s ExitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// Inside is a Part in which commands can be run. It is safe for concurrent use.
type Inside interface {
	// Run runs the command to its end and writes its output to out. An exit status other than 0 is an ExitStatus. When ctx
	// ends, the command is killed where it can be.
	Run(ctx context.Context, c Command, out io.Writer) error
	// Leftover is the entry in a journal by which another process runs the command, if the part is still there.
	Leftover(c Command) (kind string, data any)
}

// ErrUnsupported is returned by a Part that cannot be paused or killed.
type ErrUnsupported struct{ Part, Verb string }

func (e ErrUnsupported) Error() string { return "part " + e.Part + " does not support " + e.Verb }

// Label names one of several planned faults with the same name, counted from 1. 0: there is only one.
func Label(name string, round int) string {
	if round == 0 {
		return name
	}
	return fmt.Sprintf("%s #%d", name, round)
}
