package unary

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"

	"wringer/drivers"
)

// Result is what came of one call.
type Result struct {
	// Sent is how often the request's headers were handed to a connection; 0: never. At each transmission but the last the target
	// surely had not looked.
	Sent int
	// At is when the end was read, or when the call was given up, on the run's clock.
	At time.Duration
	// Answered says that the target ended the call with a status.
	Answered bool
	Status   codes.Code
	// Text is the status's message, or what went wrong.
	Text string
	// Details is grpc-status-details-bin as it came.
	Details string
	// Message is that of the answer, where it has one and there is no Fault. It is valid until the next call.
	Message []byte
	// Fault is the code of what the answer, or its lack, is; empty where the status speaks for itself.
	Fault string
	// Err is why nothing was sent, where Sent is 0.
	Err error
}

// state is where a call stands with its connection.
type state uint8

const (
	idle   state = iota // with none
	queued              // waits until the target lets it have a stream
	open                // has a stream
)

// call is one call at a time, with its answer. Its fields belong to its connection's mutex from open until done.
type call struct {
	Result
	fields []hpack.HeaderField // beyond those that all calls share
	body   []byte
	// deadline is the attempt's; zero: none.
	deadline time.Time

	wake   chan struct{} // holds one token: look whether it is over, or late
	done   atomic.Bool   // Result is whole, or again says why not
	late   atomic.Bool   // the attempt's time is up
	expire func()        // sets late

	state          state
	id             uint32
	rest           []byte // of the body, not sent yet
	held           bool   // the connection has it among those whose bodies wait
	window         int64  // how much of the body the target takes on this stream
	unacknowledged int    // received and not given back to the target
	headed         bool   // the answer's headers came
	encoding       string
	answer         []byte // the message with what precedes it, so far
	// unseen: the target did not look at the transmission. It is made once more, if it was the first. A target that began to
	// answer has looked, whatever it says.
	unseen bool
}

// prefix is how much precedes a message: a flag and its length.
const prefix = 5

func newCall() *call {
	x := &call{wake: make(chan struct{}, 1)}
	x.expire = func() {
		x.late.Store(true)
		x.wakeCaller()
	}
	return x
}

func (x *call) wakeCaller() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// begin makes ready for a call with a message.
func (x *call) begin(message []byte, fields []hpack.HeaderField) {
	x.Result, x.deadline = Result{}, time.Time{}
	x.fields = fields
	x.body = append(x.body[:0], 0)
	x.body = binary.BigEndian.AppendUint32(x.body, uint32(len(message)))
	x.body = append(x.body, message...)
}

// renew makes ready for a transmission.
func (x *call) renew() {
	x.done.Store(false)
	x.rest, x.unacknowledged, x.headed, x.encoding, x.answer, x.unseen = x.body, 0, false, "", x.answer[:0], false
}

// refuse ends a call that is not sent. What was sent before has its own fault.
func (x *call) refuse(err error) {
	if x.Sent == 0 {
		x.Err, x.Text = err, err.Error()
	}
}

// fail ends a call that the target did not answer.
func (x *call) fail(fault, text string) { x.Fault, x.Text = fault, text }

// receive takes bytes of the answer. What cannot be the one message of a unary answer is a fault. The memory that it takes is
// bounded by most, the largest message allowed.
func (x *call) receive(b []byte, most int) (fault, text string) {
	if !x.headed {
		return drivers.CodeMalformed, "a message came before the headers"
	}
	for len(b) > 0 && len(x.answer) < prefix {
		x.answer, b = append(x.answer, b[0]), b[1:]
		if len(x.answer) == prefix {
			if fault, text = x.checkPrefix(most); fault != "" {
				return fault, text
			}
		}
	}
	if len(x.answer) < prefix {
		return "", ""
	}
	if len(b) > x.missing() {
		return drivers.CodeMalformed, "more than one message came"
	}
	x.answer = append(x.answer, b...)
	return "", ""
}

// checkPrefix judges what precedes the message.
func (x *call) checkPrefix(most int) (fault, text string) {
	size := binary.BigEndian.Uint32(x.answer[1:])
	switch flag := x.answer[0]; {
	case flag > 1:
		return drivers.CodeMalformed, fmt.Sprintf("a message has the unknown flag %d", flag)
	case flag == 1 && x.encoding != gzipped:
		return drivers.CodeMalformed, fmt.Sprintf("a message is compressed, and its encoding is %q", x.encoding)
	case int64(size) > int64(most):
		return drivers.CodeTooLarge, fmt.Sprintf("a message of %d bytes is larger than the limit, %d", size, most)
	}
	return "", ""
}

// missing is how much of the message has not come, once what precedes it has.
func (x *call) missing() int {
	return prefix + int(binary.BigEndian.Uint32(x.answer[1:])) - len(x.answer)
}

// settle gives the call the target's status. OK takes one whole message. Another status may have one, but half a message makes
// it no clear word.
func (x *call) settle(end trailers) {
	x.Answered, x.Status, x.Text, x.Details = true, end.status, end.message, end.details
	switch {
	case len(x.answer) == 0 && end.status == codes.OK:
		x.Answered = false
		x.fail(drivers.CodeMalformed, "OK without a message")
	case len(x.answer) == 0:
	case len(x.answer) < prefix || x.missing() > 0:
		x.fail(drivers.CodeMalformed, fmt.Sprintf("status %s, and the message is cut short", end.status))
	default:
		x.Message = x.answer[prefix:]
	}
}

// unpack decompresses the answer's message where it is compressed.
func (x *call) unpack(most int) {
	if x.Message == nil || x.answer[0] == 0 {
		return
	}
	message, fault, text := gunzip(x.Message, most)
	if x.Message = message; fault != "" {
		x.Answered = false
		x.fail(fault, text)
	}
}
