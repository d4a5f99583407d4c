package drivers

import (
	"strconv"
	"time"
)

// Messages is what one attempt that is a stream of messages saw of them. The attempt's outcome is the call's; these counts
// stand beside it.
type Messages struct {
	// Sent counts the messages handed to the transport, Received those that came whole.
	Sent, Received int64
	// First is the time from Attempt.Sent to the first message that came; it means something when Received is above 0.
	First time.Duration
	// Gaps are the times between messages that came one after the other.
	Gaps []time.Duration
	// Awaited says that the attempt ended without the target's word while a message could still come: that wait is longer
	// than every one that ended.
	Awaited bool

	// Counted says that the attempt could show lost messages: it was known how many there must be, and the target said
	// that it was done. Tracked says that messages were told apart.
	Counted, Tracked bool
	// Lost counts the messages that did not come although the target said that it was done.
	Lost int64
	// Undecided counts the messages that did not come in an attempt that ended without that word.
	Undecided int64
	// Duplicated counts the messages that came more than once, Reordered those that came after a later one (among first
	// occurrences), Unexpected the deliveries that no message of this call stands behind.
	Duplicated, Reordered, Unexpected int64
	// Evidence tells the first of each of these in words; empty when there was none.
	Evidence MessageEvidence
}

// MessageEvidence holds a sentence for each kind of anomaly, empty where there was none.
type MessageEvidence struct{ Lost, Duplicated, Reordered, Unexpected string }

// AppendMessage appends the identity of message n of operation seq: that of the operation, a dot, and the number.
func (id Identity) AppendMessage(dst []byte, seq, n uint64) []byte {
	return strconv.AppendUint(append(id.Append(dst, seq), '.'), n, 10)
}

// ParseMessage reads what AppendMessage wrote. A text that it would not write is Foreign.
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
