package grpc

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"wringer/drivers"
	"wringer/drivers/payload"
)

// Stream is the `stream:` part of a method that streams. One operation is one call with all its messages.
type Stream struct {
	Messages   int           `yaml:"messages" jsonschema_description:"Messages sent in a call (client and bidirectional streaming). A list under message is sent in turn. Default: the length of that list, or 1."`
	Every      time.Duration `yaml:"every" jsonschema_description:"Time from one message sent to the next, counted from the call's start, so that a slow target cannot stretch it. Default: none."`
	Lockstep   bool          `yaml:"lockstep" jsonschema_description:"Send a message only when one has come for the message before it (bidirectional)."`
	HalfClose  string        `yaml:"half_close" jsonschema:"enum=sent,enum=replies,enum=never" jsonschema_description:"When the sending side is closed: after the last message, once all expected messages came, or never: the call is then cancelled, and counts as acked, once they came. Default sent."`
	Replies    int           `yaml:"replies" jsonschema_description:"Messages that the target must send in a call. Fewer are lost, more unexpected. Default: not known; bidirectional with id or lockstep: as many as are sent."`
	ID         string        `yaml:"id" jsonschema_description:"The field that identifies a received message, as in level.id: a number, or the text of {{message_id}}. It finds lost, duplicated and reordered messages."`
	First      uint64        `yaml:"first" jsonschema_description:"The lowest number under id. Default 0."`
	Count      []string      `yaml:"count" jsonschema_description:"Fields of the answer (client streaming) whose sum is the number of messages that arrived."`
	MaxReplies int           `yaml:"max_replies" jsonschema_description:"Bound on the messages received in a call; beyond it the code is too_large. Default 10000."`
}

const (
	halfCloseSent    = "sent"
	halfCloseReplies = "replies"
	halfCloseNever   = "never"

	maxMessages       = 1_000_000
	defaultMaxReplies = 10_000
)

// check finds problems that do not depend on the method's types.
func (c *Stream) check(listed int, problem func(field, message string)) {
	for _, bound := range []struct {
		field string
		value int
	}{{"messages", c.Messages}, {"replies", c.Replies}, {"max_replies", c.MaxReplies}} {
		if bound.value < 0 || bound.value > maxMessages {
			problem("stream."+bound.field, fmt.Sprintf("%d: write 1 to %d", bound.value, maxMessages))
		}
	}
	if c.Messages > 0 && listed > c.Messages {
		problem("stream.messages", fmt.Sprintf("is %d, and message lists %d: some would never be sent", c.Messages, listed))
	}
	switch c.HalfClose {
	case "", halfCloseSent:
	case halfCloseReplies, halfCloseNever:
		if c.Replies == 0 && c.ID == "" && !c.Lockstep {
			problem("stream.half_close", fmt.Sprintf("%s waits for all messages: say how many there are with replies", c.HalfClose))
		}
	default:
		problem("stream.half_close", fmt.Sprintf("%q is not one of %s, %s, %s", c.HalfClose, halfCloseSent, halfCloseReplies, halfCloseNever))
	}
	if c.MaxReplies > 0 && c.Replies > c.MaxReplies {
		problem("stream.replies", fmt.Sprintf("is %d, beyond max_replies %d", c.Replies, c.MaxReplies))
	}
	if c.MaxReplies == 0 && c.Replies > defaultMaxReplies {
		problem("stream.replies", fmt.Sprintf("is beyond %d: raise max_replies", defaultMaxReplies))
	}
	if c.First > 0 && c.ID == "" {
		problem("stream.first", "goes with id")
	}
	if len(c.Count) > 0 && c.ID != "" {
		problem("stream.count", "stands beside id: one is for a single answer, the other for a stream of them")
	}
}

// messageTelling describes what the driver can count about the messages of a call.
func (c *Config) messageTelling() drivers.MessageTelling {
	s := c.Stream
	if s == nil {
		return drivers.MessageTelling{}
	}
	return drivers.MessageTelling{Streams: true, Counted: s.Replies > 0 || s.ID != "" || len(s.Count) > 0 || s.Lockstep, Tracked: s.ID != ""}
}

// fits finds settings that the method does not support.
func (c *Stream) fits(method protoreflect.MethodDescriptor) error {
	sends, receives := method.IsStreamingClient(), method.IsStreamingServer()
	refuse := func(is bool, field, why string) error {
		if !is {
			return nil
		}
		return &payload.FieldError{Path: "stream." + field, Err: fmt.Errorf("%s %s; take it away", method.FullName(), why)}
	}
	const one, single = "sends one message", "receives one message"
	return errors.Join(
		refuse(!sends && c.Messages > 1, "messages", one), refuse(!sends && c.Every > 0, "every", one), refuse(!sends && c.Lockstep, "lockstep", one),
		refuse(!sends && c.HalfClose == halfCloseReplies, "half_close", "closes its sending side with the only message"),
		refuse(!receives && c.Lockstep, "lockstep", single), refuse(!receives && c.Replies > 0, "replies", single),
		refuse(!receives && c.ID != "", "id", single+": count may tell how many arrived"), refuse(!receives && c.MaxReplies > 0, "max_replies", single),
		refuse(!receives && c.HalfClose != "" && c.HalfClose != halfCloseSent, "half_close", "answers once its sending side is closed"),
		refuse(receives && len(c.Count) > 0, "count", "answers with a stream: id may tell which messages came"),
		refuse(!sends && c.HalfClose == halfCloseNever && c.Replies == 0, "half_close", "needs replies"),
	)
}

// flow is a compiled Stream. It is read only.
type flow struct {
	sends, receives bool
	messages        int // number of messages to send
	every           time.Duration
	lockstep        bool
	halfClose       string
	expected        int // number of messages that must arrive; 0: unknown
	most            int // the largest number of messages received
	id              *reference
	first           uint64
	count           []*reference
}

func newFlow(c *Stream, listed int, method protoreflect.MethodDescriptor) (*flow, error) {
	if err := c.fits(method); err != nil {
		return nil, err
	}
	f := &flow{
		sends: method.IsStreamingClient(), receives: method.IsStreamingServer(), messages: max(c.Messages, listed, 1),
		every: c.Every, lockstep: c.Lockstep, halfClose: c.HalfClose, expected: c.Replies, most: c.MaxReplies, first: c.First,
	}
	if f.halfClose == "" {
		f.halfClose = halfCloseSent
	}
	if f.expected == 0 && f.sends && f.receives && (c.ID != "" || c.Lockstep) {
		f.expected = f.messages
	}
	if f.most == 0 {
		f.most = max(defaultMaxReplies, f.expected)
	}
	if f.expected > f.most {
		return nil, &payload.FieldError{Path: "stream.max_replies", Err: fmt.Errorf("is %d, and %d messages are sent", f.most, f.messages)}
	}
	var err error
	if c.ID != "" {
		if f.id, err = newReference(method.Output(), c.ID); err != nil {
			return nil, &payload.FieldError{Path: "stream.id", Err: err}
		}
	}
	for _, path := range c.Count {
		r, err := newReference(method.Output(), path)
		if err != nil || r.text {
			return nil, &payload.FieldError{Path: "stream.count", Err: fmt.Errorf("%s: %w", path, errors.Join(err, onlyNumbers(r)))}
		}
		f.count = append(f.count, r)
	}
	return f, nil
}

func onlyNumbers(r *reference) error {
	if r != nil && r.text {
		return errors.New("is no number")
	}
	return nil
}

// reference is a path to a field of a received message.
type reference struct {
	path []protowire.Number
	text bool
	zig  bool // zigzag encoding
}

func newReference(desc protoreflect.MessageDescriptor, path string) (*reference, error) {
	r := &reference{}
	steps := strings.Split(path, ".")
	for i, step := range steps {
		field := payload.FindField(desc, step)
		if field == nil {
			return nil, fmt.Errorf("%s: %s has no field %s; it has %s", path, desc.FullName(), step, payload.FieldNames(desc))
		}
		if field.IsList() || field.IsMap() {
			return nil, fmt.Errorf("%s: %s holds many values", path, step)
		}
		r.path = append(r.path, field.Number())
		if i < len(steps)-1 {
			if field.Kind() != protoreflect.MessageKind {
				return nil, fmt.Errorf("%s: %s is no message", path, step)
			}
			desc = field.Message()
			continue
		}
		switch field.Kind() {
		case protoreflect.StringKind, protoreflect.BytesKind:
			r.text = true
		case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
			r.zig = true
		case protoreflect.MessageKind, protoreflect.GroupKind, protoreflect.FloatKind, protoreflect.DoubleKind, protoreflect.BoolKind, protoreflect.EnumKind:
			return nil, fmt.Errorf("%s: is a %s; name a whole number or a text", path, field.Kind())
		}
	}
	return r, nil
}

// number reads a number. An absent number is 0, as proto3 writes it.
func (r *reference) number(b []byte) uint64 {
	v, _, _ := find(b, r.path)
	if r.zig {
		return uint64(protowire.DecodeZigZag(v))
	}
	return v
}
