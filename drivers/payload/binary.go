package payload

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	pref "google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Binary is a message in protobuf's wire format, in place of its fields. It is sent as it is: it holds no {{...}}.
type Binary []byte

// ParseFile reads a file that holds a message: JSON, or protobuf's wire format, which is Binary. An object or a list is JSON, and
// so is whatever else JSON allows.
func ParseFile(content string) (any, error) {
	content = strings.TrimPrefix(content, "\ufeff") // a byte order mark
	if content == "" || strings.HasPrefix(content, "{") || strings.HasPrefix(content, "[") || json.Valid([]byte(content)) {
		return ParseJSON(content)
	}
	return Binary(content), nil
}

// message checks that b is a message of that type. Bytes that merely have the form of one hold fields that the type lacks.
func (b Binary) message(desc pref.MessageDescriptor, path string) (Message, error) {
	m := dynamicpb.NewMessage(desc)
	if err := proto.Unmarshal(b, m); err != nil {
		return nil, badField(path, "the file holds neither JSON nor a %s in Protobuf's wire format: %w", desc.FullName(), err)
	}
	if len(m.GetUnknown()) > 0 {
		return nil, badField(path, "the file is no JSON, and as Protobuf it has fields that %s has not", desc.FullName())
	}
	return Message{{fixed: bytes.Clone(b)}}, nil
}

// String implements fmt.Stringer: a record tells the size alone.
func (b Binary) String() string { return fmt.Sprintf("%d bytes", len(b)) }
