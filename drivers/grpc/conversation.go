package grpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"

	"wringer/drivers"
)

// Codes of calls that ended with OK and are not acked.
const (
	codeEarly = "grpc_early"         // before the last message was sent, so the target cannot have received all messages
	codeLost  = "grpc_messages_lost" // expected messages did not arrive
)

// errEnough ends a call whose sending side is never closed, once all expected messages arrived.
var errEnough = errors.New("all expected messages came")

// conversation is one streaming call.
type conversation struct {
	s      *session
	flow   *flow
	op     drivers.Op
	at     *drivers.Attempt
	cancel context.CancelFunc
	stream grpc.ClientStream
	seen   *drivers.Messages
	// whole is closed once all expected messages arrived.
	whole chan struct{}
	// came has a token for each received message, for a sender in lockstep.
	came   chan struct{}
	last   time.Duration // when the last message arrived
	closed bool          // whole is closed

	// sent and failed belong to the sender until the sender has ended.
	sent   int
	failed error
}

// converse makes one streaming call. It blocks until the call and its sender have ended.
func (s *session) converse(ctx context.Context, op *drivers.Op, at *drivers.Attempt) {
	flow := s.d.flow
	at.Messages = new(drivers.Messages)
	s.tracker.begin(op.Seq, at.Messages)
	seen := new(call)
	carrying, err := s.carrying(context.WithValue(ctx, callKey{}, seen), op)
	if err != nil {
		at.Fail(drivers.Rejected, drivers.CodeMessage, err.Error())
		return
	}
	callCtx, cancel := context.WithCancel(carrying)
	defer cancel()
	c := &conversation{s: s, flow: flow, op: *op, at: at, cancel: cancel, seen: at.Messages, whole: make(chan struct{})}
	if flow.lockstep {
		c.came = make(chan struct{}, flow.messages)
	}
	at.Sent = s.d.env.Clock()
	desc := &grpc.StreamDesc{ClientStreams: flow.sends, ServerStreams: flow.receives}
	if c.stream, err = s.conn.NewStream(callCtx, desc, s.d.method, s.d.options...); err == nil {
		var sender sync.WaitGroup
		sender.Go(func() { c.send(callCtx) })
		err = c.receive()
		cancel()
		sender.Wait()
	}
	at.Done = s.d.env.Clock()
	seen.count(at)
	c.conclude(ctx, seen, err)
}

// receive reads until the call is over. It returns nil if the call ended well.
func (c *conversation) receive() error {
	for {
		c.s.reply.err = nil
		err := c.stream.RecvMsg(c.s.reply)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if c.s.reply.err != nil {
			return c.s.reply.err
		}
		if c.seen.Received >= int64(c.flow.most) {
			return errTooMany
		}
		c.take()
		if !c.flow.receives {
			return nil // gRPC has read the status after the only answer
		}
		if c.flow.halfClose == halfCloseNever && c.closed {
			return errEnough
		}
	}
}

var errTooMany = errors.New("more messages came than max_replies")

// take counts one message.
func (c *conversation) take() {
	now := c.s.d.env.Clock()
	if c.seen.Received == 0 {
		c.seen.First = now - c.at.Sent
	} else {
		c.seen.Gaps = append(c.seen.Gaps, now-c.last)
	}
	c.last = now
	c.seen.Received++
	c.s.tracker.see(c.s.reply.bytes)
	if !c.closed && c.s.tracker.enough() {
		c.closed = true
		close(c.whole)
	}
	if c.came != nil {
		select {
		case c.came <- struct{}{}:
		default: // more messages arrived than will be sent
		}
	}
}

// send sends the messages and closes the sending side as configured. It ends early if the call does.
func (c *conversation) send(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := range c.flow.messages {
		if !c.awaitDue(ctx, timer, n) {
			return
		}
		c.op.Message = uint64(n)
		b, err := c.s.d.inputs[n%len(c.s.d.inputs)].Append(make([]byte, 0, c.s.size), &c.op)
		if err != nil {
			c.failed = err
			c.cancel()
			return
		}
		c.s.size = max(c.s.size, len(b))
		// Counted before SendMsg, because the target may answer the last message before SendMsg returns.
		c.sent++
		if err := c.stream.SendMsg(&request{bytes: b}); err != nil {
			c.sent-- // the call is over; the receiver gets the reason
			return
		}
	}
	c.halfClose(ctx)
}

// awaitDue waits until message n is due. It returns false if the call is over.
func (c *conversation) awaitDue(ctx context.Context, timer *time.Timer, n int) bool {
	if n == 0 {
		return true
	}
	if c.came != nil {
		select {
		case <-c.came:
		case <-ctx.Done():
			return false
		}
	}
	if wait := c.at.Sent + time.Duration(n)*c.flow.every - c.s.d.env.Clock(); c.flow.every > 0 && wait > 0 {
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			return false
		case <-c.stream.Context().Done():
			return false
		}
	}
	return true
}

func (c *conversation) halfClose(ctx context.Context) {
	switch c.flow.halfClose {
	case halfCloseNever:
		return
	case halfCloseReplies:
		select {
		case <-c.whole:
		case <-ctx.Done():
			return
		}
	}
	// CloseSend fails only if the call is over. The receiver gets the reason.
	_ = c.stream.CloseSend()
}

// conclude sets the outcome, once sender and receiver have ended.
func (c *conversation) conclude(ctx context.Context, seen *call, err error) {
	c.seen.Sent = int64(c.sent)
	early := c.sent < c.flow.messages && !errors.Is(err, errEnough)
	switch {
	case c.failed != nil:
		c.at.Fail(drivers.Indeterminate, drivers.CodeMessage, c.failed.Error())
	case errors.Is(err, errEnough):
		c.at.Outcome, c.at.Answered, err = drivers.Acked, true, nil
	case errors.Is(err, errTooMany):
		c.at.Fail(drivers.Indeterminate, drivers.CodeTooLarge, fmt.Sprintf("more than %d messages came", c.flow.most))
	case c.s.reply.err != nil && errors.Is(err, c.s.reply.err):
		c.at.Fail(drivers.Indeterminate, drivers.CodeMalformed, "a message does not decode: "+err.Error())
	default:
		c.s.d.decide(ctx, seen, c.s.reply, err, c.at)
	}
	c.account(err == nil && c.at.Outcome == drivers.Acked, early)
}

// account counts the missing messages. A call with missing messages is not acked.
func (c *conversation) account(well, early bool) {
	c.seen.Awaited = !c.at.Answered && (c.flow.receives || c.seen.Received == 0)
	if well && early {
		c.at.Fail(drivers.Indeterminate, codeEarly, fmt.Sprintf("OK after %d of %d messages", c.sent, c.flow.messages))
	}
	if len(c.flow.count) > 0 {
		if well && !early {
			c.s.tracker.counted(c.s.reply.bytes)
		}
	} else {
		c.s.tracker.end(well && !early)
	}
	if well && !early && c.seen.Lost > 0 {
		c.at.Fail(drivers.Indeterminate, codeLost, c.seen.Evidence.Lost)
	}
}
