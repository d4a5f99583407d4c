package drivers

import (
	"context"
	"errors"
	"net"
	"os"
	"time"
)

// Outcome says what is known of an attempt or of an operation.
type Outcome uint8

const (
	// Unknown is the zero value: no attempt has ended.
	Unknown Outcome = iota
	// Acked: the target said that it took effect.
	Acked
	// Rejected: it surely did not take effect.
	Rejected
	// Indeterminate: it may have taken effect (timeout, reset, cancelled, 5xx).
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

// Short codes that every driver uses for the same failure. A protocol adds its own: http_503, grpc_unavailable,
// kafka_not_leader_or_follower. Codes are stable: records are compared by them.
const (
	CodeTimeout   = "timeout"   // the attempt's deadline passed without a whole answer, or without a connection
	CodeCancelled = "cancelled" // the run ended or was interrupted under the attempt
	CodeRefused   = "refused"   // no connection: refused, or unreachable
	CodeDNS       = "dns"       // no connection: the name did not resolve
	CodeTLS       = "tls"       // no connection: the TLS handshake failed
	CodeReset     = "reset"     // the connection was reset under the attempt
	CodeClosed    = "closed"    // the connection was closed before the answer was whole
	CodeMalformed = "malformed" // the answer broke the protocol
	CodeTooLarge  = "too_large" // the answer exceeded the driver's bound
	CodeCheck     = "check"     // the answer came, and a response check failed
)

// IsTimeout says whether an error is that of a dial, a handshake, a read or a write that did not end in time.
func IsTimeout(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &network) && network.Timeout()
}

// Op is one logical intent with an identity: (run, stream, Seq), and (Key, KeySeq) where keys are used.
type Op struct {
	// Seq counts the operations of a stream from 0, in the order in which they were planned.
	Seq uint64
	// Key is an index into the stream's key space. Without keys it is 0 and Keyed is false.
	Key uint64
	// KeySeq counts the operations of one key from 0.
	KeySeq uint64
	Keyed  bool
	// Planned is the planned start on the run's clock (see Env.Clock). Negative during the warm-up.
	Planned time.Duration
	// Message numbers the messages of an operation that sends more than one, from 0.
	Message uint64
	// Values are what a driver knows of this operation alone and its templates show: captured from earlier answers. nil
	// outside of a chain.
	Values *Values
}

// Values are texts by number.
type Values [][]byte

// Step is what became of one step of an operation that takes several, one after the other.
type Step struct {
	// Sent and Done are as an Attempt's, on the run's clock.
	Sent, Done time.Duration
	Outcome    Outcome
	Code       string
	Answered   bool
}

// Steps are the steps that an attempt took, in order, up to the one that failed.
type Steps []Step

// Attempt is one transmission of an operation. The runner fills Number, Begun and Timeout, the driver the rest.
type Attempt struct {
	// Number is 1 for the first attempt of an operation; 2 and up are retries of the stream's own policy.
	Number int
	// Begun is when the runner handed the attempt to the driver, on the run's clock.
	Begun time.Duration
	// Timeout is how long after Begun a Pipeline must end the attempt; 0: never. A Session learns it from its context.
	Timeout time.Duration
	// Sent is when the attempt's first byte was about to leave, on the run's clock: never later than the real send.
	// A driver that cannot tell leaves it 0 and the runner takes Begun.
	Sent time.Duration
	// Done is when the outcome was known, on the run's clock: never earlier than the answer's arrival. 0: the runner
	// stamps it.
	Done time.Duration

	Outcome Outcome
	// Code is a short stable error code; empty when Acked.
	Code string
	// Detail is the evidence behind Code, at most a few hundred bytes; empty when Acked. It holds no secret.
	Detail string
	// Wire says that at least one byte may have reached the wire. False only when no connection was made.
	Wire bool
	// Answered says that a whole answer came, whatever it said. Its time then counts as an answer's.
	Answered bool
	// Hidden counts transmissions beyond the first that the client library made by itself under this attempt.
	Hidden int
	// Transparent of Hidden were resent because the target surely had not looked at the transmission before.
	Transparent int
	// RetryAfter is the wait that the target asked for, or 0.
	RetryAfter time.Duration
	// Position is the place in a log that the acknowledgement named, where it named one.
	Position Position
	// Messages is what was seen of the messages of a stream; nil where the attempt is none.
	Messages *Messages
	// Answer is what was answered, for the operations that Env.Replay chose.
	Answer Answer
	// Status is the number that the protocol gave the answer (HTTP's 200), 0 where there was none.
	Status int
	// In and Out are the bytes of payload that were received and sent, as far as the driver tells them.
	In, Out int64
	// Steps are told by a driver whose operations take several; nil otherwise.
	Steps *Steps
}

// Fail sets the outcome of an attempt that was not acknowledged.
func (a *Attempt) Fail(o Outcome, code, detail string) {
	const bound = 300
	if len(detail) > bound {
		detail = detail[:bound]
	}
	a.Outcome, a.Code, a.Detail = o, code, detail
}

// Reset makes the attempt ready to be used for number n.
func (a *Attempt) Reset(n int, begun time.Duration) { *a = Attempt{Number: n, Begun: begun} }

// Position is a place in one of a source's logs. The zero value is no known position.
type Position struct {
	// At counts within the log: a record's place never changes, and a later record has a higher one. Not negative.
	At int64
	// Log numbers the log: a partition, a shard. Not negative.
	Log int32
	// Known says that there is a position.
	Known bool
}

// PositionIn is a known position.
func PositionIn(log int32, at int64) Position { return Position{At: at, Log: log, Known: true} }

// Delivery is one observation of an operation at a place where its effect must show up. The byte slices are valid
// during the call that hands it over.
type Delivery struct {
	// ID is the identity that the record carries, as Identity.Append wrote it; nil when it carries none.
	ID []byte
	// Key is the key that the record carries; nil when it carries none.
	Key []byte
	// Position tells one record of the source from another, where the source is a log. A queue has no positions.
	Position Position
	// Redelivered is what the broker says: it handed this record out before. False where the broker says nothing. Without a
	// position it alone tells a record that came again from a second record.
	Redelivered bool
	// Origin identifies the message whose processing produced this effect, where the source knows it: two
	// records with the same Origin show a redelivery upstream. nil when not known.
	Origin []byte
	// Sequence is the number that the record carries within its key, in decimal; nil where the source was not told where it
	// stands, or nothing stands there.
	Sequence []byte
	// At is when it was observed, on the run's clock: what the observation takes is in it (the way here, a fetch that gathers, an
	// interval of polling, the wait for a commit). A source that reads several at once gives them one time, that of the arrival.
	At time.Duration
}
