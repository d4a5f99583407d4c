package grpc

import (
	"fmt"

	"wringer/drivers"
)

// tracker identifies the messages received in one call. It is reused for the next call.
type tracker struct {
	flow     *flow
	identity drivers.Identity
	op       uint64
	out      *drivers.Messages
	once     bits
	twice    bits
	highest  int64 // the highest message number received, -1 before the first message
	distinct int64
}

// bits is a set of message numbers, bounded by flow.most.
type bits []uint64

func (b bits) has(n uint64) bool { return b[n/64]&(1<<(n%64)) != 0 }
func (b bits) add(n uint64)      { b[n/64] |= 1 << (n % 64) }

func newTracker(f *flow, identity drivers.Identity) *tracker {
	words := f.most/64 + 1
	return &tracker{flow: f, identity: identity, once: make(bits, words), twice: make(bits, words)}
}

// begin resets the tracker for a call.
func (t *tracker) begin(op uint64, out *drivers.Messages) {
	t.op, t.out, t.highest, t.distinct = op, out, -1, 0
	clear(t.once)
	clear(t.twice)
	out.Tracked = t.flow.id != nil
}

// see records one message, whose bytes decode.
func (t *tracker) see(b []byte) {
	if t.flow.id == nil {
		return
	}
	n, ok := t.number(b)
	if !ok {
		t.out.Unexpected++
		t.note(&t.out.Evidence.Unexpected, "a message came that is none of this call's")
		return
	}
	switch {
	case t.once.has(n):
		if !t.twice.has(n) {
			t.twice.add(n)
			t.out.Duplicated++
			t.note(&t.out.Evidence.Duplicated, fmt.Sprintf("message %d came again, after message %d", n+t.flow.first, t.highest+int64(t.flow.first)))
		}
	default:
		t.once.add(n)
		t.distinct++
		if int64(n) < t.highest {
			t.out.Reordered++
			t.note(&t.out.Evidence.Reordered, fmt.Sprintf("message %d came after message %d", n+t.flow.first, t.highest+int64(t.flow.first)))
		}
		t.highest = max(t.highest, int64(n))
	}
}

func (t *tracker) note(into *string, what string) {
	if *into == "" {
		*into = fmt.Sprintf("%s: %s", t.identity.Text(t.op), what)
	}
}

// number reads the message's number, from 0. It returns false if the message does not belong to this call.
func (t *tracker) number(b []byte) (uint64, bool) {
	var n uint64
	if id := t.flow.id; !id.text {
		n = id.number(b)
	} else {
		_, text, _ := find(b, id.path)
		op, message, belonging := t.identity.ParseMessage(text)
		if belonging == drivers.Ours && op != t.op {
			return 0, false // of another call
		}
		if belonging != drivers.Ours {
			var ok bool
			if message, ok = drivers.ParseNumber(text); !ok {
				return 0, false
			}
		}
		n = message
	}
	if n < t.flow.first {
		return 0, false
	}
	n -= t.flow.first
	bound := t.flow.expected
	if bound == 0 {
		bound = t.flow.most
	}
	return n, n < uint64(bound)
}

// enough reports whether all expected messages arrived.
func (t *tracker) enough() bool {
	switch {
	case t.flow.expected == 0:
		return false
	case t.flow.id == nil:
		return t.out.Received >= int64(t.flow.expected)
	}
	return t.distinct >= int64(t.flow.expected)
}

// end counts the missing messages. whole: the target said that it was done. Without that word missing messages are
// undecided, and none is missing if the expected number is unknown.
func (t *tracker) end(whole bool) {
	came, want := t.distinct, int64(t.flow.expected)
	switch {
	case t.flow.id == nil && want == 0:
		return
	case t.flow.id == nil:
		came = min(t.out.Received, want)
		t.out.Unexpected = t.out.Received - came
		if t.out.Unexpected > 0 {
			t.note(&t.out.Evidence.Unexpected, fmt.Sprintf("%d messages came, %d were expected", t.out.Received, want))
		}
	case want == 0:
		want = t.highest + 1 // gaps below the highest number
	}
	t.out.Counted = whole
	t.miss(want-came, whole)
}

// counted compares the number sent with the number that the target reports.
func (t *tracker) counted(b []byte) {
	var arrived uint64
	for _, r := range t.flow.count {
		arrived += r.number(b)
	}
	t.out.Counted = true
	sent := uint64(t.out.Sent)
	if arrived > sent {
		t.out.Unexpected = int64(min(arrived-sent, 1<<62))
		t.note(&t.out.Evidence.Unexpected, fmt.Sprintf("the target counts %d messages, %d were sent", arrived, sent))
		return
	}
	t.out.Lost = int64(sent - arrived)
	if t.out.Lost > 0 {
		t.note(&t.out.Evidence.Lost, fmt.Sprintf("the target counts %d messages, %d were sent", arrived, sent))
	}
}

func (t *tracker) miss(n int64, whole bool) {
	if n <= 0 {
		return
	}
	if !whole {
		t.out.Undecided = n
		return
	}
	t.out.Lost = n
	what := fmt.Sprintf("%d messages did not come, although the call ended well", n)
	if missing, ok := t.missing(); ok {
		what += fmt.Sprintf("; the first is message %d", missing+t.flow.first)
	}
	t.note(&t.out.Evidence.Lost, what)
}

// missing is the lowest number that did not arrive.
func (t *tracker) missing() (uint64, bool) {
	for n := uint64(0); t.flow.id != nil && n < uint64(t.flow.most); n++ {
		if !t.once.has(n) {
			return n, true
		}
	}
	return 0, false
}
