package grpc

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"

	"wringer/drivers"
)

// session makes calls one after the other by grpc-go. It shares its connection.
type session struct {
	d       *driver
	conn    *grpc.ClientConn
	reply   *reply
	tracker *tracker // for a method that streams
	size    int      // of the last request, in bytes
}

func newSession(d *driver, conn *grpc.ClientConn) *session {
	s := &session{d: d, conn: conn, reply: &reply{shape: d.output, keep: d.flow != nil || d.answers != nil}}
	if d.flow != nil {
		s.tracker = newTracker(d.flow, d.env.Identity)
	}
	return s
}

// Do implements drivers.Session.
func (s *session) Do(ctx context.Context, op *drivers.Op, at *drivers.Attempt) {
	if s.d.flow != nil {
		s.converse(ctx, op, at)
		return
	}
	// Each request has a buffer of its own: gRPC may still use the buffer after a cancelled call.
	message, err := s.d.inputs[0].Append(make([]byte, 0, s.size), op)
	if err != nil {
		at.Fail(drivers.Rejected, drivers.CodeMessage, err.Error())
		return
	}
	s.size = len(message)
	s.reply.err = nil
	c := new(call)
	callCtx, err := s.carrying(context.WithValue(ctx, callKey{}, c), op)
	if err != nil {
		at.Fail(drivers.Rejected, drivers.CodeMessage, err.Error())
		return
	}
	at.Sent = s.d.env.Clock()
	err = s.conn.Invoke(callCtx, s.d.method, &request{bytes: message}, s.reply, s.d.options...)
	at.Done = s.d.env.Clock()
	c.count(at)
	s.d.decide(ctx, c, s.reply, err, at)
	s.d.judge(s.reply.bytes, op, at)
}

func (s *session) answer() []byte { return s.reply.bytes }

// carrying adds the metadata of an operation to a call's context.
func (s *session) carrying(ctx context.Context, op *drivers.Op) (context.Context, error) {
	if len(s.d.metadata) == 0 {
		return ctx, nil
	}
	md := make(metadata.MD, len(s.d.metadata))
	for i := range s.d.metadata {
		p := &s.d.metadata[i]
		value, err := p.value(op)
		if err != nil {
			return nil, err
		}
		md[p.key] = []string{value}
	}
	return metadata.NewOutgoingContext(ctx, md), nil
}

// Close implements drivers.Session.
func (s *session) Close() error { return nil }

// reply receives an answer's message. It checks the whole message, because an answer that does not decode is not an
// ack. It keeps only a small part.
type reply struct {
	shape *shape
	keep  bool
	bytes []byte // the last message, if kept
	err   error
}

func (r *reply) take(b []byte) {
	r.err = r.shape.check(b)
	if r.keep {
		r.bytes = append(r.bytes[:0], b...)
	}
}

// request is a message to send. It is not reused, because gRPC may keep it after the call.
type request struct {
	bytes   []byte
	buffers [1]mem.Buffer
}

// codec sends encoded bytes, and decodes into a reply.
type codec struct{}

// Name is part of the content type: the bytes are protobuf.
func (codec) Name() string { return "proto" }

func (codec) Marshal(v any) (mem.BufferSlice, error) {
	r, ok := v.(*request)
	if !ok {
		return nil, fmt.Errorf("request is a %T", v)
	}
	r.buffers[0] = mem.SliceBuffer(r.bytes)
	return r.buffers[:], nil
}

func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	r, ok := v.(*reply)
	if !ok {
		return fmt.Errorf("reply is a %T", v)
	}
	b := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer b.Free()
	r.take(b.ReadOnlyData())
	return nil
}
