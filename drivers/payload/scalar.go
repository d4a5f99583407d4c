package payload

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	pref "google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// scalarOfJSON encodes a JSON value as one element of field, tag included.
func scalarOfJSON(field pref.FieldDescriptor, types *dynamicpb.Types, text []byte) ([]byte, error) {
	m := dynamicpb.NewMessage(field.ContainingMessage())
	value := string(text)
	if field.IsList() {
		value = "[" + value + "]"
	}
	name, err := json.Marshal(field.JSONName())
	if err != nil {
		return nil, err
	}
	// The encoder would omit a value that equals its type's default, which would change a list. So the value is read
	// from the message and encoded here. AllowPartial: the required fields of a proto2 message are not set here.
	options := protojson.UnmarshalOptions{AllowPartial: true, Resolver: types}
	if err := options.Unmarshal([]byte("{"+string(name)+":"+value+"}"), m); err != nil {
		return nil, err
	}
	v := m.Get(field)
	if field.IsList() {
		v = v.List().Get(0)
	}
	return appendValue(nil, field, v), nil
}

// appendScalar encodes a rendered text as one element of field, tag included.
func appendScalar(dst []byte, field pref.FieldDescriptor, s string) ([]byte, error) {
	v, err := parseScalar(field, s)
	if err != nil {
		return dst, fmt.Errorf("%q is no %s", s, kindName(field))
	}
	return appendValue(dst, field, v), nil
}

func parseScalar(field pref.FieldDescriptor, s string) (pref.Value, error) {
	switch field.Kind() {
	case pref.StringKind:
		return pref.ValueOfString(s), nil
	case pref.BytesKind:
		b, err := decodeBase64(s)
		return pref.ValueOfBytes(b), err
	case pref.BoolKind:
		if s != "true" && s != "false" {
			return pref.Value{}, strconv.ErrSyntax
		}
		return pref.ValueOfBool(s == "true"), nil
	case pref.EnumKind:
		if v := field.Enum().Values().ByName(pref.Name(s)); v != nil {
			return pref.ValueOfEnum(v.Number()), nil
		}
		n, err := strconv.ParseInt(s, 10, 32)
		return pref.ValueOfEnum(pref.EnumNumber(n)), err
	case pref.FloatKind:
		f, err := strconv.ParseFloat(s, 32)
		return pref.ValueOfFloat32(float32(f)), err
	case pref.DoubleKind:
		f, err := strconv.ParseFloat(s, 64)
		return pref.ValueOfFloat64(f), err
	case pref.Int32Kind, pref.Sint32Kind, pref.Sfixed32Kind:
		n, err := strconv.ParseInt(s, 10, 32)
		return pref.ValueOfInt32(int32(n)), err
	case pref.Int64Kind, pref.Sint64Kind, pref.Sfixed64Kind:
		n, err := strconv.ParseInt(s, 10, 64)
		return pref.ValueOfInt64(n), err
	case pref.Uint32Kind, pref.Fixed32Kind:
		n, err := strconv.ParseUint(s, 10, 32)
		return pref.ValueOfUint32(uint32(n)), err
	case pref.Uint64Kind, pref.Fixed64Kind:
		n, err := strconv.ParseUint(s, 10, 64)
		return pref.ValueOfUint64(n), err
	}
	return pref.Value{}, strconv.ErrSyntax
}

// anyAlphabet writes base64 in the standard alphabet.
var anyAlphabet = strings.NewReplacer("-", "+", "_", "/")

// decodeBase64 decodes base64 as protobuf's JSON mapping takes it: in the standard or the URL alphabet, with or without padding. So
// {{string 12}} fits a field of bytes.
func decodeBase64(s string) ([]byte, error) {
	if s = anyAlphabet.Replace(s); strings.HasSuffix(s, "=") {
		return base64.StdEncoding.DecodeString(s)
	}
	return base64.RawStdEncoding.DecodeString(s)
}

// appendValue encodes a scalar with its tag. List elements are written one by one. Parsers must accept this form as
// well as the packed one, and a template among fixed elements keeps its position.
func appendValue(b []byte, field pref.FieldDescriptor, v pref.Value) []byte {
	n := field.Number()
	switch field.Kind() {
	case pref.StringKind:
		return protowire.AppendString(protowire.AppendTag(b, n, protowire.BytesType), v.String())
	case pref.BytesKind:
		return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), v.Bytes())
	case pref.FloatKind:
		return protowire.AppendFixed32(protowire.AppendTag(b, n, protowire.Fixed32Type), math.Float32bits(float32(v.Float())))
	case pref.Fixed32Kind:
		return protowire.AppendFixed32(protowire.AppendTag(b, n, protowire.Fixed32Type), uint32(v.Uint()))
	case pref.Sfixed32Kind:
		return protowire.AppendFixed32(protowire.AppendTag(b, n, protowire.Fixed32Type), uint32(v.Int()))
	case pref.DoubleKind:
		return protowire.AppendFixed64(protowire.AppendTag(b, n, protowire.Fixed64Type), math.Float64bits(v.Float()))
	case pref.Fixed64Kind:
		return protowire.AppendFixed64(protowire.AppendTag(b, n, protowire.Fixed64Type), v.Uint())
	case pref.Sfixed64Kind:
		return protowire.AppendFixed64(protowire.AppendTag(b, n, protowire.Fixed64Type), uint64(v.Int()))
	}
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), varint(field.Kind(), v))
}

func varint(kind pref.Kind, v pref.Value) uint64 {
	switch kind {
	case pref.BoolKind:
		return protowire.EncodeBool(v.Bool())
	case pref.EnumKind:
		return uint64(v.Enum())
	case pref.Sint32Kind, pref.Sint64Kind:
		return protowire.EncodeZigZag(v.Int())
	case pref.Int32Kind, pref.Int64Kind:
		return uint64(v.Int())
	}
	return v.Uint()
}

// kindName names the type of a field, for an enum with its values.
func kindName(field pref.FieldDescriptor) string {
	if field.Kind() != pref.EnumKind {
		if field.Kind() == pref.BytesKind {
			return "bytes in base64"
		}
		return field.Kind().String()
	}
	var names []string
	for i := range field.Enum().Values().Len() {
		names = append(names, string(field.Enum().Values().Get(i).Name()))
	}
	return fmt.Sprintf("%s (%s)", field.Enum().FullName(), strings.Join(names, ", "))
}

// Decodes reports whether b is a message of that type.
func Decodes(b []byte, desc pref.MessageDescriptor) error {
	return proto.Unmarshal(b, dynamicpb.NewMessage(desc))
}
