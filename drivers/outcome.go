package drivers

import (
	"context"
	"errors"
	"net"
	"os"
	"time"
)

// Outcome is the known result of an attempt or of an operation.
type Outcome uint8

const (
	// Unknown is the zero value: no attempt has ended.
	Unknown Outcome = iota
	// Acked: the target said that the operation took effect.
	Acked
	// Rejected: the operation certainly did not take effect.
	Rejected
	// Indeterminate: the operation may have taken effect (timeout, reset, cancelled, 5xx).
	Indeterminate
)

func (o Outcome) String() string {
	switch o {
	case Acked:
		return "acked"
	case Rejected:
		return "rejected"
	case Indeterminate:
		return "indeterminate"
	}
	return "unknown"
}

// Short codes that all drivers use for the same failures. A protocol adds its own: http_503, grpc_unavailable,
// kafka_not_leader_or_follower. Codes are stable, because records are compared by them.
const (
	CodeTimeout   = "timeout"   // the attempt's deadline passed without a complete answer, or without a connection
	CodeCancelled = "cancelled" // the run ended or was interrupted during the attempt
	CodeRefused   = "refused"   // no connection: refused, or unreachable
	CodeDNS       = "dns"       // no connection: the name did not resolve
	CodeTLS       = "tls"       // no connection: the TLS handshake failed
	CodeReset     = "reset"     // the connection was reset during the attempt
	CodeClosed    = "closed"    // the connection was closed before the answer was complete
	CodeMalformed = "malformed" // the answer broke the protocol
	CodeTooLarge  = "too_large" // the answer exceeded the driver's limit
	CodeCheck     = "check"     // the answer came, and a response check failed
	CodeMessage   = "message"   // a value cannot be sent where it would stand, so nothing was sent
)

// CommonCodes lists the codes with which an attempt of any driver may end. A value that cannot be sent is the scenario's own fault, and
// is none of them.
func CommonCodes() []string {
	return []string{CodeTimeout, CodeCancelled, CodeRefused, CodeDNS, CodeTLS, CodeReset, CodeClosed, CodeMalformed, CodeTooLarge, CodeCheck}
}

// IsTimeout says whether an error is the timeout of a dial, a handshake, a read or a write.
func IsTimeout(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &network) && network.Timeout()
}

// Op is one logical intent with an identity: (run, stream, Seq), and (Key, KeySeq) if keys are used.
type Op struct {
	// Seq counts the operations of a stream from 0, in planned order.
	Seq uint64
	// Key is an index into the stream's key space. Without keys it is 0 and Keyed is false.
	Key uint64
	// KeySeq counts the operations of one key from 0.
	KeySeq uint64
	Keyed  bool
	// Planned is the planned start on the run's clock (see Env.Clock). It is negative during the warm-up.
	Planned time.Duration
	// Attempt is the number of the attempt under way, as in Attempt.Number. Replays count on.
	Attempt int
	// Message numbers the messages of an operation with several, from 0.
	Message uint64
	// Values are known to the driver alone and shown by its templates: captured from earlier answers. nil outside of a
	// chain.
	Values *Values
}

// Values are texts by number.
type Values [][]byte

// Step is the result of one step of an operation with several steps.
type Step struct {
	// Sent and Done are as in Attempt, on the run's clock.
	Sent, Done time.Duration
	Outcome    Outcome
	Code       string
	Answered   bool
}

// Steps are the steps of an attempt in order, up to the step that failed.
type Steps []Step

// Attempt is one transmission of an operation. The runner fills Number, Begun and Timeout; the driver fills the rest.
type Attempt struct {
	// Number is 1 for the first attempt of an operation; 2 and up are retries of the stream's own policy.
	Number int
	// Begun is when the runner handed the attempt to the driver, on the run's clock.
	Begun time.Duration
	// Timeout is how long after Begun a Pipeline must end the attempt; 0: never. A Session uses its context.
	Timeout time.Duration
	// Sent is when the attempt's first byte was about to be sent, on the run's clock: never later than the real send. A
	// driver that does not know leaves 0, and the runner uses Begun.
	Sent time.Duration
	// Done is when the outcome was known, on the run's clock: never earlier than the answer's arrival. 0: the runner sets
	// it.
	Done time.Duration

	Outcome Outcome
	// Code is a short stable error code; empty if Acked.
	Code string
	// Detail is the evidence for Code, at most a few hundred bytes; empty if Acked. It holds no secret.
	Detail string
	// Wire says that at least one byte may have been sent. It is false only if no connection was made.
	Wire bool
	// Cut says that the last transmission of the attempt never reached the wire, although earlier ones did: that of a later step, message
	// or hop of a redirect.
	Cut bool
	// Answered says that a complete answer came, whatever its content. The attempt's time then counts as a response time.
	Answered bool
	// Partial says that an answer began, with its status, and did not come whole: it was cut, broken or too large.
	Partial bool
	// Hidden counts the transmissions after the first that the client library made by itself during this attempt.
	Hidden int
	// Transparent counts those of Hidden that were safe: the target had certainly not looked at the transmission before.
	Transparent int
	// RetryAfter is the wait that the target asked for, or 0.
	RetryAfter time.Duration
	// Position is the position in a log that the acknowledgement named, if any.
	Position Position
	// Messages counts the messages of a stream; nil if the attempt is no stream.
	Messages *Messages
	// Answer is the answer, for operations chosen by Env.Replay.
	Answer Answer
	// Status is the protocol's status number of the answer (HTTP's 200), 0 if there was none.
	Status int
	// In and Out are the received and sent payload bytes, if the driver knows them.
	In, Out int64
	// Steps are filled by drivers with several steps per operation; nil otherwise.
	Steps *Steps
	// Checked has a bit for each of Description.CheckNames that was applied to an answer, and Failed for each that did not hold.
	Checked, Failed uint64
}

// Fail sets the outcome of an attempt that was not acknowledged.
func (a *Attempt) Fail(o Outcome, code, detail string) {
	const bound = 300
	if len(detail) > bound {
		detail = detail[:bound]
	}
	a.Outcome, a.Code, a.Detail = o, code, detail
}

// Reset prepares the attempt for reuse as number n.
func (a *Attempt) Reset(n int, begun time.Duration) { *a = Attempt{Number: n, Begun: begun} }

// Position is a position in one of a source's logs. The zero value is an unknown position.
type Position struct {
	// At counts within the log. A record's position never changes, and a later record has a higher one. Not negative.
	At int64
	// Log numbers the log: a partition, a shard. Not negative.
	Log int32
	// Known says whether there is a position.
	Known bool
}

// PositionIn is a known position.
func PositionIn(log int32, at int64) Position { return Position{At: at, Log: log, Known: true} }

// Delivery is one observation of an operation where its effect must show up. The byte slices are valid during the call of
// deliver.
type Delivery struct {
	// ID is the identity in the record, as Identity.Append wrote it; nil if the record has none.
	ID []byte
	// Key is the key in the record; nil if the record has none.
	Key []byte
	// Position tells the records of a log apart. A queue has no positions.
	Position Position
	// Redelivered is what the broker says: it delivered this record before. It is false if the broker does not say. Without
	// a position, only Redelivered tells a repeated record from a second record.
	Redelivered bool
	// Origin identifies the message whose processing caused this effect, if the source knows it. Two records with the same
	// Origin show a redelivery upstream. nil: unknown.
	Origin []byte
	// Sequence is the record's number within its key, in decimal. It is nil if the record has none, or if the source does
	// not know where it is.
	Sequence []byte
	// At is when the record was observed, on the run's clock. It includes the cost of observing: the network, a fetch that
	// gathers records, a polling interval, the wait for a commit. Records read together have one time, that of their
	// arrival.
	At time.Duration
	// Wrong says how the fields of the effect differ from what was sent; empty: they do not, or nothing compares them.
	Wrong string
	// Provisional says that the place is read whole, and that this reading was not the last. The delivery only dates the effect.
	// The last reading delivers again everything that counts.
	Provisional bool
	// Anew says that this is no record: what the source delivered before is gone from its log, some or all of it. All earlier
	// deliveries are taken back. The source goes on with what the log holds now, from the start of the run.
	Anew bool
}
