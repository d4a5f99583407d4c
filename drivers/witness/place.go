package witness

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"wringer/drivers/jsonpath"
)

// Place is where a request on a link carries its identity. The zero value is nowhere.
type Place struct {
	header    string
	path      *jsonpath.Path
	fields    *fieldPath // in a Protobuf message
	messageID bool       // the property of AMQP
}

// fieldPath are the numbers of fields that lead to one in a Protobuf message.
type fieldPath []protowire.Number

// mostFields bounds how deep a field of a Protobuf message lies.
const mostFields = 16

// ParsePlace reads `header NAME`, `message_id`, a path into the JSON body such as $.order.id, or `field 1.3`: the numbers of a field in
// a Protobuf body. An empty text is nowhere.
func ParsePlace(text string) (p Place, err error) {
	kind, name, _ := strings.Cut(strings.TrimSpace(text), " ")
	name = strings.TrimSpace(name)
	switch {
	case text == "":
		return p, nil
	case text == "message_id":
		p.messageID = true
		return p, nil
	case kind == "field":
		p.fields, err = parseFields(name)
		return p, err
	case kind != "header":
		p.path, err = jsonpath.Parse(text)
		return p, err
	case name == "" || strings.ContainsAny(name, ": \t"):
		return p, errors.New("header names no header: write header X-Request-Id")
	}
	p.header = name
	return p, nil
}

// CheckPlace returns what is wrong with the text of a place.
func CheckPlace(text string) error {
	_, err := ParsePlace(text)
	return err
}

func parseFields(text string) (*fieldPath, error) {
	var all fieldPath
	for number := range strings.SplitSeq(text, ".") {
		n, err := strconv.Atoi(number)
		if err != nil || !protowire.Number(n).IsValid() || n > int(protowire.MaxValidNumber) {
			return nil, fmt.Errorf("field %s is no field of a Protobuf message: write its number, field 1, or field 3.1 for one in a message", text)
		}
		all = append(all, protowire.Number(n))
	}
	if len(all) > mostFields {
		return nil, fmt.Errorf("field %s lies deeper than %d messages", text, mostFields)
	}
	return &all, nil
}

// inBody says whether the place is in the body of a request.
func (p Place) inBody() bool { return p.path != nil || p.fields != nil }

// find returns what stands at the place in a body; nil: nothing does. whole: doc is all of the body. The result is valid until the next
// call with that scratch.
func (p Place) find(doc []byte, whole bool, scratch *[]byte) []byte {
	if p.path == nil {
		if !whole { // later bytes may set the field again
			return nil
		}
		return findField(unframed(doc), *p.fields, scratch)
	}
	id := p.path.Find(doc, scratch)
	if !whole && bytes.HasSuffix(doc, id) { // a number may have been cut
		return nil
	}
	return id
}

// unframed is a message without the frame that serializers of a Schema Registry put before it: a zero byte, four bytes of the schema's
// number, and the indexes of the message in its file. No Protobuf message begins with a zero byte.
func unframed(doc []byte) []byte {
	const frame = 5
	if len(doc) <= frame || doc[0] != 0 {
		return doc
	}
	doc = doc[frame:]
	count, n := protowire.ConsumeVarint(doc)
	if n < 0 {
		return nil
	}
	doc = doc[n:]
	for range min(protowire.DecodeZigZag(count), mostFields) {
		if _, n = protowire.ConsumeVarint(doc); n < 0 {
			return nil
		}
		doc = doc[n:]
	}
	return doc
}

// findField returns a field of a Protobuf message as text, found by its numbers. A field that stands there twice is a list, and none.
func findField(doc []byte, numbers fieldPath, scratch *[]byte) []byte {
	var value []byte
	var kind protowire.Type
	for len(doc) > 0 {
		number, has, n := protowire.ConsumeTag(doc)
		if n < 0 {
			return nil
		}
		doc = doc[n:]
		if n = protowire.ConsumeFieldValue(number, has, doc); n < 0 {
			return nil
		}
		if number == numbers[0] {
			if value != nil {
				return nil
			}
			value, kind = doc[:n], has
		}
		doc = doc[n:]
	}
	var number uint64
	switch kind {
	case protowire.BytesType:
		inner, _ := protowire.ConsumeBytes(value)
		if len(numbers) > 1 {
			return findField(inner, numbers[1:], scratch)
		}
		return inner
	case protowire.VarintType:
		number, _ = protowire.ConsumeVarint(value)
	case protowire.Fixed64Type:
		number, _ = protowire.ConsumeFixed64(value)
	case protowire.Fixed32Type:
		short, _ := protowire.ConsumeFixed32(value)
		number = uint64(short)
	default:
		return nil
	}
	if value == nil || len(numbers) > 1 {
		return nil
	}
	*scratch = strconv.AppendUint((*scratch)[:0], number, 10)
	return *scratch
}
