package drivers

import (
	"strconv"
	"time"
)

// Messages counts the messages of an attempt that is a stream. The attempt's outcome is that of the call; these counts
// stand beside the outcome.
type Messages struct {
	// Sent counts the messages handed to the transport. Received counts the messages that came complete.
	Sent, Received int64
	// First is the time from Attempt.Sent to the first message. It is valid if Received is above 0.
	First time.Duration
	// Gaps are the times between consecutive received messages.
	Gaps []time.Duration
	// Awaited says that the attempt ended while a message was awaited, before the target ended the call. That gap counts as
	// longer than every measured gap.
	Awaited bool

	// Counted says that the attempt can show lost messages: the expected number was known, and the target ended the call.
	// Tracked says that messages were told apart.
	Counted, Tracked bool
	// Lost counts the messages that did not come although the target ended the call.
	Lost int64
	// Undecided counts the messages that did not come in an attempt that the target did not end.
	Undecided int64
	// Duplicated counts repeated messages. Reordered counts messages that came after a later one (first occurrences only).
	// Unexpected counts deliveries that belong to no message of this call.
	Duplicated, Reordered, Unexpected int64
	// Evidence describes the first of each of these in words; empty if there was none.
	Evidence MessageEvidence
}

// MessageEvidence holds a sentence for each kind of anomaly, empty if there was none.
type MessageEvidence struct{ Lost, Duplicated, Reordered, Unexpected string }

// AppendMessage appends the identity of message n of operation seq: the operation's identity, a dot, and the number.
func (id Identity) AppendMessage(dst []byte, seq, n uint64) []byte {
	return strconv.AppendUint(append(id.Append(dst, seq), '.'), n, 10)
}

// ParseMessage reads a text written by AppendMessage. Any other text is Foreign.
func (id Identity) ParseMessage(text []byte) (seq, n uint64, b Belonging) {
	last := len(text) - 1
	for last >= 0 && text[last] != '.' {
		last--
	}
	if last < 0 {
		return 0, 0, Foreign
	}
	if seq, b = id.Parse(text[:last]); b != Ours {
		return 0, 0, Foreign
	}
	n, ok := ParseNumber(text[last+1:])
	if !ok {
		return 0, 0, Foreign
	}
	return seq, n, Ours
}
