package grpc

import (
	"errors"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// shape checks that bytes are a message of a type, as protobuf's decoder does, but without building the message. An
// answer must decode to be an ack; its content is not needed. A shape is read only once made.
type shape struct {
	// whole is set for types that only protobuf's decoder can check: required fields, groups, extensions and editions
	// have further rules.
	whole  protoreflect.MessageDescriptor
	fields map[protowire.Number]*element
}

// element is one field of a shape.
type element struct {
	wire    protowire.Type // the wire type of one value
	packed  bool           // a list of numbers may also be packed into bytes
	text    bool           // must be UTF-8
	message *shape
}

// maxNesting is protobuf's own bound.
const maxNesting = protowire.DefaultRecursionLimit

var (
	errNesting = errors.New("messages are nested too deeply")
	errNumber  = errors.New("a field's number is out of range")
	errUTF8    = errors.New("a string is not UTF-8")
)

func newShape(desc protoreflect.MessageDescriptor) *shape {
	return shapeOf(desc, make(map[protoreflect.FullName]*shape))
}

// shapeOf makes each type's shape once, because types may contain themselves.
func shapeOf(desc protoreflect.MessageDescriptor, known map[protoreflect.FullName]*shape) *shape {
	if s := known[desc.FullName()]; s != nil {
		return s
	}
	s := &shape{fields: make(map[protowire.Number]*element)}
	known[desc.FullName()] = s
	if desc.ParentFile().Syntax() != protoreflect.Proto3 {
		s.whole = desc
		return s
	}
	for i := range desc.Fields().Len() {
		field := desc.Fields().Get(i)
		e := &element{wire: wireTypes[field.Kind()], text: field.Kind() == protoreflect.StringKind}
		e.packed = field.IsList() && e.wire != protowire.BytesType
		if field.Kind() == protoreflect.MessageKind {
			e.message = shapeOf(field.Message(), known)
		}
		s.fields[field.Number()] = e
	}
	return s
}

var wireTypes = map[protoreflect.Kind]protowire.Type{
	protoreflect.BoolKind: protowire.VarintType, protoreflect.EnumKind: protowire.VarintType,
	protoreflect.Int32Kind: protowire.VarintType, protoreflect.Sint32Kind: protowire.VarintType, protoreflect.Uint32Kind: protowire.VarintType,
	protoreflect.Int64Kind: protowire.VarintType, protoreflect.Sint64Kind: protowire.VarintType, protoreflect.Uint64Kind: protowire.VarintType,
	protoreflect.Sfixed32Kind: protowire.Fixed32Type, protoreflect.Fixed32Kind: protowire.Fixed32Type, protoreflect.FloatKind: protowire.Fixed32Type,
	protoreflect.Sfixed64Kind: protowire.Fixed64Type, protoreflect.Fixed64Kind: protowire.Fixed64Type, protoreflect.DoubleKind: protowire.Fixed64Type,
	protoreflect.StringKind: protowire.BytesType, protoreflect.BytesKind: protowire.BytesType, protoreflect.MessageKind: protowire.BytesType,
}

// check returns an error if protobuf's decoder would.
func (s *shape) check(b []byte) error { return s.checkAt(b, 0) }

func (s *shape) checkAt(b []byte, depth int) error {
	if depth >= maxNesting {
		return errNesting
	}
	if s.whole != nil {
		return proto.Unmarshal(b, dynamicpb.NewMessage(s.whole))
	}
	for len(b) > 0 {
		number, wire, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		if number > protowire.MaxValidNumber {
			return errNumber
		}
		b = b[n:]
		e := s.fields[number]
		switch {
		case e != nil && wire == protowire.BytesType && (e.wire == wire || e.packed):
			value, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return protowire.ParseError(n)
			}
			if err := e.check(value, depth); err != nil {
				return err
			}
			b = b[n:]
		default:
			// For protobuf a known number with another wire type is an unknown field.
			n := protowire.ConsumeFieldValue(number, wire, b)
			if n < 0 {
				return protowire.ParseError(n)
			}
			b = b[n:]
		}
	}
	return nil
}

func (e *element) check(value []byte, depth int) error {
	switch {
	case e.message != nil:
		return e.message.checkAt(value, depth+1)
	case e.text:
		if !utf8.Valid(value) {
			return errUTF8
		}
	case e.packed:
		for len(value) > 0 {
			n := protowire.ConsumeFieldValue(1, e.wire, value)
			if n < 0 {
				return protowire.ParseError(n)
			}
			value = value[n:]
		}
	}
	return nil
}

// find returns the last value of the field at path, from bytes that passed check. A number is returned as value, all
// else as text.
func find(b []byte, path []protowire.Number) (value uint64, text []byte, found bool) {
	for len(b) > 0 {
		number, wire, n := protowire.ConsumeTag(b)
		if n < 0 {
			return value, text, found
		}
		b = b[n:]
		size := protowire.ConsumeFieldValue(number, wire, b)
		if size < 0 {
			return value, text, found
		}
		if number == path[0] {
			value, text, found = take(wire, b, path[1:], value, text, found)
		}
		b = b[size:]
	}
	return value, text, found
}

// take reads one occurrence of the field. An occurrence with another wire type is ignored.
func take(wire protowire.Type, b []byte, rest []protowire.Number, value uint64, text []byte, found bool) (uint64, []byte, bool) {
	switch wire {
	case protowire.BytesType:
		inner, _ := protowire.ConsumeBytes(b)
		if len(rest) == 0 {
			return value, inner, true
		}
		if v, t, ok := find(inner, rest); ok {
			return v, t, true
		}
	case protowire.VarintType:
		if len(rest) == 0 {
			v, _ := protowire.ConsumeVarint(b)
			return v, text, true
		}
	case protowire.Fixed32Type:
		if len(rest) == 0 {
			v, _ := protowire.ConsumeFixed32(b)
			return uint64(v), text, true
		}
	case protowire.Fixed64Type:
		if len(rest) == 0 {
			v, _ := protowire.ConsumeFixed64(b)
			return v, text, true
		}
	}
	return value, text, found
}
