package witness

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kafkaReader reads a connection to a Kafka broker, of a link between services. A request is a frame, and its kind is that of the
// protocol: Produce, Fetch, ... An answer belongs to the request with its correlation id.
type kafkaReader struct {
	conn    *conn
	request records
	answers records
	waiting map[int32]kafkaRequest
}

// kafkaRequest is a request whose answer is awaited.
type kafkaRequest struct {
	link         *exchange
	key, version int16
}

const (
	// kafkaFrame bounds a frame: brokers accept less. kafkaHead is the part of a request that is read, kafkaAnswer that of an answer;
	// the errors of a longer answer are not known.
	kafkaFrame = 256 << 20
	// kafkaProduce is as much of a request as is read for the identities of its records.
	kafkaHead    = 8 << 10
	kafkaAnswer  = 1 << 20
	kafkaProduce = 1 << 20
)

var errKafka = errors.New("a frame that is not Kafka's")

func newKafka(c *conn) *kafkaReader {
	k := &kafkaReader{conn: c, waiting: make(map[int32]kafkaRequest)}
	framed := func(wanted int) func(b []byte) (int, int, error) {
		return func(b []byte) (int, int, error) {
			n := binary.BigEndian.Uint32(b)
			if n > kafkaFrame {
				return 0, 0, errKafka
			}
			return 4 + int(n), wanted, nil
		}
	}
	wanted := kafkaHead
	if c.w.link.place != (Place{}) {
		wanted = kafkaProduce
	}
	k.request = records{head: 4, size: framed(wanted), take: k.asking}
	k.answers = records{head: 4, size: framed(kafkaAnswer), take: k.answering}
	return k
}

func (k *kafkaReader) asked(b []byte) error    { return k.request.feed(b) }
func (k *kafkaReader) answered(b []byte) error { return k.answers.feed(b) }
func (k *kafkaReader) ended() error            { return nil }

// abandon implements protocolReader.
func (k *kafkaReader) abandon() {
	for id, r := range k.waiting {
		delete(k.waiting, id)
		k.conn.w.link.over(r.link)
	}
}

// asking takes a request.
func (k *kafkaReader) asking(b []byte, size int) error {
	if len(b) < 12 {
		return errKafka
	}
	r := kafkaRequest{key: int16(binary.BigEndian.Uint16(b[4:])), version: int16(binary.BigEndian.Uint16(b[6:]))}
	id := int32(binary.BigEndian.Uint32(b[8:]))
	known := kmsg.RequestForKey(r.key)
	switch {
	case known == nil || r.version < 0:
		return errKafka
	case len(k.waiting) >= pipelineBound:
		return errors.New("more than 4096 requests without an answer on one connection")
	case k.waiting[id].link != nil:
		return errors.New("two requests with one correlation id")
	}
	l := k.conn.w.link
	r.link = l.begin(k.conn.id)
	r.link.Kind = kmsg.NameForKey(r.key)
	r.link.Plain = kmsg.Key(r.key) != kmsg.Produce // other requests bring no messages
	l.began(r.link)
	if !r.link.Plain && len(b) == size && l.place != (Place{}) {
		l.produced(r.link, r.version, b[12:])
	}
	l.whole(r.link)
	if kmsg.Key(r.key) == kmsg.Produce && unacknowledged(known, r.version, b[12:]) {
		l.over(r.link) // acks of 0: no answer comes
		return nil
	}
	k.waiting[id] = r
	return nil
}

// unacknowledged says whether a Produce request wants no answer. b begins behind the correlation id.
func unacknowledged(request kmsg.Request, version int16, b []byte) bool {
	r := kbin.Reader{Src: b}
	r.UnsafeNullableString() // the client id
	request.SetVersion(version)
	if request.IsFlexible() {
		kmsg.SkipTags(&r)
		r.UnsafeCompactNullableString() // the transactional id
	} else if version >= 3 {
		r.UnsafeNullableString()
	}
	acks := r.Int16()
	return r.Ok() && acks == 0
}

// answering takes an answer.
func (k *kafkaReader) answering(b []byte, size int) error {
	if len(b) < 8 {
		return errKafka
	}
	id := int32(binary.BigEndian.Uint32(b[4:]))
	r, ok := k.waiting[id]
	if !ok {
		return errors.New("an answer to no request")
	}
	delete(k.waiting, id)
	if len(b) == size {
		r.link.Status = kafkaStatus(r.key, r.version, b[8:])
	}
	k.conn.w.link.answered(r.link, k.conn.left)
	return nil
}

// kafkaStatus is the first error in an answer, in the protocol's words; ok without one, and empty for a Fetch that brought nothing.
// The result is "" when the answer cannot be read.
func kafkaStatus(key, version int16, b []byte) string {
	request := kmsg.RequestForKey(key)
	if version > request.MaxVersion() {
		return ""
	}
	request.SetVersion(version)
	answer := request.ResponseKind()
	r := kbin.Reader{Src: b}
	if request.IsFlexible() && kmsg.Key(key) != kmsg.ApiVersions { // KIP-511: its header never has tags
		kmsg.SkipTags(&r)
	}
	if !r.Ok() || answer.ReadFrom(r.Src) != nil {
		return ""
	}
	if code := firstError(reflect.ValueOf(answer), 0); code != 0 {
		if err, ok := kerr.ErrorForCode(code).(*kerr.Error); ok {
			return err.Message
		}
		return fmt.Sprintf("error %d", code)
	}
	if f, ok := answer.(*kmsg.FetchResponse); ok && !brought(f) {
		return "ok, no records"
	}
	return "ok"
}

func brought(f *kmsg.FetchResponse) bool {
	for i := range f.Topics {
		for j := range f.Topics[i].Partitions {
			if len(f.Topics[i].Partitions[j].RecordBatches) > 0 {
				return true
			}
		}
	}
	return false
}

// firstError returns the first error code in an answer, 0 without one. Answers nest a few levels deep.
func firstError(v reflect.Value, depth int) int16 {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return firstError(v.Elem(), depth)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Struct {
			return 0
		}
		for i := range v.Len() {
			if code := firstError(v.Index(i), depth+1); code != 0 {
				return code
			}
		}
	case reflect.Struct:
		if code := v.FieldByName("ErrorCode"); code.IsValid() && code.Kind() == reflect.Int16 && code.Int() != 0 {
			return int16(code.Int())
		}
		for i := range v.NumField() {
			if f := v.Field(i); depth < 4 && f.Kind() == reflect.Slice {
				if code := firstError(f, depth); code != 0 {
					return code
				}
			}
		}
	}
	return 0
}
