package kafka

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/IBM/sarama"

	"wringer/drivers"
	"wringer/drivers/payload"
)

// recipe renders the records of a stream.
type recipe struct {
	topic    string
	identity drivers.Identity
	key      *text // nil: none
	keyed    bool  // the key is rendered for operations without a key too
	value    *text
	message  payload.Message // instead of value; nil: none
	size     int
	sizes    sizes
	sizeSeed uint64
	headers  []namedText
	room     int // bytes that a record's texts are likely to need
	yards    sync.Pool
}

// yard is room for the flights of some records and for their texts, allocated at once. It is freed when the last of them
// is: small enough that one record which is stuck holds little.
type yard struct {
	flights []flight
	text    []byte
}

const (
	yardFlights = 16
	yardText    = 32 << 10
)

// flight returns an unused flight and room for n bytes behind one another.
func (y *yard) flight(n int) (*flight, []byte) {
	if len(y.flights) == 0 {
		y.flights = make([]flight, yardFlights)
	}
	f := &y.flights[0]
	y.flights = y.flights[1:]
	if cap(y.text)-len(y.text) < n {
		y.text = make([]byte, 0, max(yardText, n))
	}
	return f, y.text[len(y.text):len(y.text):cap(y.text)]
}

// took notes that b, which began as what flight returned, is used. When it outgrew the room it lives elsewhere, but what was
// cut from it before does not.
func (y *yard) took(b []byte) {
	if len(b) > cap(y.text)-len(y.text) {
		y.text = nil
		return
	}
	y.text = y.text[:len(y.text)+len(b)]
}

// text is a template with draws of its own: two templates of a stream must not draw the same values.
type text struct {
	*drivers.Template
	env drivers.Env
}

type namedText struct {
	name []byte
	text *text
}

func (t *text) append(dst []byte, op *drivers.Op) []byte { return t.Template.Append(dst, &t.env, op) }

// drawPlace keeps the seeds of templates, and of the partitioner, apart from other draws of the stream.
const drawPlace = 1 << 61

func compileText(source string, env drivers.Env, place uint64) (*text, error) {
	t, err := drivers.CompileTemplate(source)
	env.Seed = drivers.Draw(env.Seed, place, drawPlace)
	return &text{t, env}, err
}

// recipe compiles the texts of c, which Check has passed, and message, which a schema encodes; nil without one.
func (c *Config) recipe(env drivers.Env, message payload.Message) (*recipe, error) {
	r := &recipe{topic: c.Topic, identity: env.Identity, keyed: c.Key != "", message: message, size: int(c.Size), sizeSeed: drivers.Draw(env.Seed, 0, drawPlace+3)}
	var err error
	if r.sizes, err = compileSizes(c.Sizes); err != nil {
		return nil, fmt.Errorf("%w: sizes: %w", drivers.ErrConfig, err)
	}
	if r.value, err = compileText(orDefault(c.Value, defaultValue), env, 0); err != nil {
		return nil, fmt.Errorf("%w: value: %w", drivers.ErrConfig, err)
	}
	if r.key, err = compileText(orDefault(c.Key, defaultKey), env, 1); err != nil {
		return nil, fmt.Errorf("%w: key: %w", drivers.ErrConfig, err)
	}
	for i, name := range slices.Sorted(maps.Keys(c.Headers)) {
		t, err := compileText(c.Headers[name], env, uint64(2+i))
		if err != nil {
			return nil, fmt.Errorf("%w: headers.%s: %w", drivers.ErrConfig, name, err)
		}
		r.headers = append(r.headers, namedText{[]byte(name), t})
	}
	r.room = max(r.size, 2*len(r.value.String()), roomOf(message)) + 2*len(r.key.String()) + 96
	for _, h := range r.headers {
		r.room += 2 * len(h.text.String())
	}
	return r, nil
}

// roomOf is what a message is likely to need, by what its first operation does.
func roomOf(message payload.Message) int {
	b, _ := message.Append(nil, new(drivers.Op)) // it was rehearsed
	return len(b) + len(b)/4
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

var (
	headerID      = []byte(HeaderID)
	headerAttempt = []byte(HeaderAttempt)
)

// flight makes the record of one attempt. An operation's attempts carry the same bytes, but for the attempt's number.
// An error means that its value cannot be rendered, and that it must not be sent.
func (r *recipe) flight(op *drivers.Op, at *drivers.Attempt, done func()) (f *flight, err error) {
	y, _ := r.yards.Get().(*yard)
	if y == nil {
		y = new(yard)
	}
	f, b := y.flight(r.room)
	f.ref, f.at, f.done = ref{op.Seq, at.Number}, at, done
	f.begun, f.timed, f.deadline = at.Begun, at.Timeout > 0, at.Begun+at.Timeout
	if r.message != nil {
		b, err = r.message.Append(b, op)
	} else {
		b = r.value.append(b, op)
		b = pad(b, max(r.size, r.sizes.of(r.sizeSeed, op.Seq)))
	}
	f.value, b = cut(b, 0)
	f.message = sarama.ProducerMessage{Topic: r.topic, Value: (*valueEncoder)(f), Metadata: f, Offset: -1, Headers: f.headers[:0]}
	if r.keyed || op.Keyed {
		from := len(b)
		f.key, b = cut(r.key.append(b, op), from)
		f.message.Key = &f.key
	}
	from := len(b)
	id, b := cut(r.identity.Append(b, op.Seq), from)
	f.message.Headers = append(f.message.Headers, sarama.RecordHeader{Key: headerID, Value: id})
	for _, h := range r.headers {
		from := len(b)
		var value []byte
		value, b = cut(h.text.append(b, op), from)
		f.message.Headers = append(f.message.Headers, sarama.RecordHeader{Key: h.name, Value: value})
	}
	if at.Number > 1 {
		from := len(b)
		var number []byte
		number, b = cut(strconv.AppendInt(b, int64(at.Number), 10), from)
		f.message.Headers = append(f.message.Headers, sarama.RecordHeader{Key: headerAttempt, Value: number})
	}
	y.took(b)
	r.yards.Put(y)
	return f, err
}

// blanks is what values are padded with.
var blanks = bytes.Repeat([]byte{' '}, 4096)

// pad appends blanks until b has size bytes.
func pad(b []byte, size int) []byte {
	for len(b) < size {
		b = append(b, blanks[:min(size-len(b), len(blanks))]...)
	}
	return b
}

// cut returns what stands in b behind from, and b to append to.
func cut(b []byte, from int) (piece, rest []byte) { return b[from:len(b):len(b)], b }
