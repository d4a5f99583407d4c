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

// Result is the result of one call.
type Result struct {
	// Sent is how often the request's headers were handed to a connection; 0: never. The target did not process any
	// transmission but the last.
	Sent int
	// At is when the end was read, or when the call was given up, on the run's clock.
	At time.Duration
	// Answered: the target ended the call with a status.
	Answered bool
	// Headed: the answer's headers arrived.
	Headed bool
	Status codes.Code
	// Text is the status's message, or a description of the failure.
	Text string
	// Details is grpc-status-details-bin as received.
	Details string
	// Message is the answer's message, if it has one and there is no Fault. It is valid until the next call.
	Message []byte
	// Fault is the code of a bad or missing answer; empty if the status stands.
	Fault string
	// Err is why nothing was sent, if Sent is 0.
	Err error
}

// state is the state of a call on its connection.
type state uint8

const (
	idle   state = iota // on no connection
	queued              // waits for a stream
	open                // has a stream
)

// call is one call at a time, with its answer. The connection's mutex guards its fields from open until done.
type call struct {
	Result
	fields []hpack.HeaderField // beside those that all calls share
	body   []byte
	// deadline is the attempt's deadline; zero: none.
	deadline time.Time

	wake   chan struct{} // holds one token: the call is over, or late
	done   atomic.Bool   // Result is complete, or unseen says why the call is sent again
	late   atomic.Bool   // the attempt's deadline has passed
	expire func()        // sets late

	state          state
	id             uint32
	rest           []byte // unsent bytes of the body
	held           bool   // the call is in conn.held
	window         int64  // bytes of the body that the target accepts on this stream
	unacknowledged int    // bytes received and not returned to the target's window
	encoding       string
	proxy          string // the code of an answer that is a proxy's; its body is discarded
	proxied        int    // bytes of that body
	answer         []byte // the bytes of the message so far, with its prefix
	// unseen: the target did not process the transmission. A first transmission is then repeated once. A target that
	// began to answer has processed the call, whatever it says.
	unseen bool
}

// maxProxied is how much of a proxy's answer is awaited. What is longer counts as whole. In bytes; as for grpc-go.
const maxProxied = 1024

// prefix is the length of a message's prefix: a flag and the message's length. In bytes.
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

// begin prepares a call with a message.
func (x *call) begin(message []byte, fields []hpack.HeaderField) {
	x.Result, x.deadline = Result{}, time.Time{}
	x.fields = fields
	x.body = append(x.body[:0], 0)
	x.body = binary.BigEndian.AppendUint32(x.body, uint32(len(message)))
	x.body = append(x.body, message...)
}

// renew prepares a transmission.
func (x *call) renew() {
	x.done.Store(false)
	x.rest, x.unacknowledged, x.Headed, x.encoding, x.answer, x.unseen = x.body, 0, false, "", x.answer[:0], false
	x.proxy, x.proxied = "", 0
}

// refuse ends a call that cannot be sent. An earlier transmission has its own fault.
func (x *call) refuse(err error) {
	if x.Sent == 0 {
		x.Err, x.Text = err, err.Error()
	}
}

// fail ends a call that the target did not answer.
func (x *call) fail(fault, text string) { x.Fault, x.Text = fault, text }

// receive takes bytes of the answer. Anything but the single message of a unary answer is a fault. most, the largest
// message allowed, bounds the memory.
func (x *call) receive(b []byte, most int) (fault, text string) {
	if !x.Headed {
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

// checkPrefix checks the prefix of the message.
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

// missing is the number of bytes still missing from the message. The prefix has arrived.
func (x *call) missing() int {
	return prefix + int(binary.BigEndian.Uint32(x.answer[1:])) - len(x.answer)
}

// settle sets the target's status. OK needs one whole message. Another status may have one, but half a message is a
// fault.
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

// unpack decompresses the answer's message if it is compressed.
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
