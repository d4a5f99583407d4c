package kafka

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/IBM/sarama"

	"wringer/drivers"
	"wringer/drivers/payload"
	"wringer/drivers/syntax"
)

// recordTemplate renders the records of a stream.
type recordTemplate struct {
	topic    string
	identity drivers.Identity
	key      *text // nil: none
	keyed    bool  // operations without a key get a rendered key too
	value    *text
	message  payload.Message // used in place of value; nil: none
	size     int
	sizes    drivers.Sizes
	sizeSeed uint64
	headers  []namedText
	room     int // the bytes that a record's texts usually need
	arenas   sync.Pool
}

// arena is memory for some records and their texts, allocated at once. It is freed when the last of its records is. It is
// small, so that one stuck record keeps little memory.
type arena struct {
	records []pendingRecord
	text    []byte
}

const (
	arenaRecords = 16
	arenaText    = 32 << 10
)

// take returns an unused record and memory for n bytes.
func (a *arena) take(n int) (*pendingRecord, []byte) {
	if len(a.records) == 0 {
		a.records = make([]pendingRecord, arenaRecords)
	}
	r := &a.records[0]
	a.records = a.records[1:]
	if cap(a.text)-len(a.text) < n {
		a.text = make([]byte, 0, max(arenaText, n))
	}
	return r, a.text[len(a.text):len(a.text):cap(a.text)]
}

// used notes that b, which began as the result of take, is in use. If b outgrew its memory, append has moved it; slices cut
// from b before still use the old memory.
func (a *arena) used(b []byte) {
	if len(b) > cap(a.text)-len(a.text) {
		a.text = nil
		return
	}
	a.text = a.text[:len(a.text)+len(b)]
}

// text is a template with random draws of its own. Two templates of a stream must not draw the same values.
type text struct {
	*drivers.Template
	env drivers.Env
}

type namedText struct {
	name []byte
	text *text
}

func (t *text) append(dst []byte, op *drivers.Op) []byte { return t.Template.Append(dst, &t.env, op) }

// drawPlace separates the seeds of templates, and of the partitioner, from other draws of the stream.
const drawPlace = 1 << 61

func compileText(source string, in drivers.Dialect, env drivers.Env, place uint64) (*text, error) {
	t, err := in.Compile(source)
	return seeded(t, env, place), err
}

// valueTemplate compiles the stream's value, or the file that holds it, which lies in folder. A value that is JSON has its texts
// escaped.
func (c *Config) valueTemplate(folder string, in drivers.Dialect) (*drivers.Template, error) {
	if c.ValueFile == "" {
		value := orDefault(c.Value, defaultValue)
		in.Syntax = syntax.Body("", value)
		return in.Compile(value)
	}
	content, err := drivers.ReadFile(drivers.ResolvePath(folder, c.ValueFile))
	if err != nil {
		return nil, err
	}
	in.Syntax = syntax.Body("", content)
	return in.CompileContent(content)
}

// seeded gives a template draws of its own.
func seeded(t *drivers.Template, env drivers.Env, place uint64) *text {
	env.Seed = drivers.Draw(env.Seed, place, drawPlace)
	return &text{t, env}
}

// recordTemplate compiles the texts of c, which has passed Check. message is the value encoded by a schema; nil without a
// schema.
func (c *Config) recordTemplate(env drivers.Env, in drivers.Dialect, message payload.Message) (*recordTemplate, error) {
	template := &recordTemplate{topic: c.Topic, identity: env.Identity, keyed: c.Key != "", message: message, size: int(c.Size), sizeSeed: drivers.Draw(env.Seed, 0, drawPlace+3)}
	var err error
	if template.sizes, err = drivers.CompileSizes(c.Sizes); err != nil {
		return nil, fmt.Errorf("%w: sizes: %w", drivers.ErrConfig, err)
	}
	value, err := c.valueTemplate(env.Files, in)
	if err != nil {
		field := "value"
		if c.ValueFile != "" {
			field = "value_file"
		}
		return nil, fmt.Errorf("%w: %s: %w", drivers.ErrConfig, field, err)
	}
	template.value = seeded(value, env, 0)
	if template.key, err = compileText(orDefault(c.Key, defaultKey), in, env, 1); err != nil {
		return nil, fmt.Errorf("%w: key: %w", drivers.ErrConfig, err)
	}
	for i, name := range slices.Sorted(maps.Keys(c.Headers)) {
		t, err := compileText(c.Headers[name], in, env, uint64(2+i))
		if err != nil {
			return nil, fmt.Errorf("%w: headers.%s: %w", drivers.ErrConfig, name, err)
		}
		template.headers = append(template.headers, namedText{[]byte(name), t})
	}
	for i, h := range env.Trace.Headers {
		t, err := compileText(h.Template, in, env, uint64(2+len(c.Headers)+i))
		if err != nil {
			return nil, fmt.Errorf("trace: %w", err)
		}
		template.headers = append(template.headers, namedText{[]byte(h.Name), t})
	}
	replying, err := c.replyHeaders(env)
	if err != nil {
		return nil, fmt.Errorf("reply: %w", err)
	}
	template.headers = append(template.headers, replying...)
	template.room = max(template.size, 2*len(template.value.String()), roomOf(message)) + 2*len(template.key.String()) + 96
	for _, h := range template.headers {
		template.room += max(2*len(h.text.String()), traceRoom)
	}
	return template, nil
}

// traceRoom is the length of the longest header with a trace.
const traceRoom = 74

// roomOf estimates the size of a message by encoding its first operation.
func roomOf(message payload.Message) int {
	b, _ := message.Append(nil, new(drivers.Op)) // rehearsed before: cannot fail
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

// record makes the record of one attempt. All attempts of an operation carry the same bytes, except the attempt's number.
// After an error the value could not be rendered, and the record must not be sent.
func (t *recordTemplate) record(op *drivers.Op, at *drivers.Attempt, done func()) (record *pendingRecord, err error) {
	a, _ := t.arenas.Get().(*arena)
	if a == nil {
		a = new(arena)
	}
	record, b := a.take(t.room)
	record.ref, record.at, record.done = ref{op.Seq, at.Number}, at, done
	record.begun, record.timed, record.deadline = at.Begun, at.Timeout > 0, at.Begun+at.Timeout
	if t.message != nil {
		b, err = t.message.Append(b, op)
	} else {
		b = t.value.append(b, op)
		b = drivers.Pad(b, max(t.size, t.sizes.Of(t.sizeSeed, op.Seq)))
	}
	record.value, b = cut(b, 0)
	record.message = sarama.ProducerMessage{Topic: t.topic, Value: (*valueEncoder)(record), Metadata: record, Offset: -1, Headers: record.headers[:0]}
	if t.keyed || op.Keyed {
		from := len(b)
		record.key, b = cut(t.key.append(b, op), from)
		record.message.Key = &record.key
	}
	from := len(b)
	id, b := cut(t.identity.Append(b, op.Seq), from)
	record.message.Headers = append(record.message.Headers, sarama.RecordHeader{Key: headerID, Value: id})
	for _, h := range t.headers {
		from := len(b)
		var value []byte
		value, b = cut(h.text.append(b, op), from)
		record.message.Headers = append(record.message.Headers, sarama.RecordHeader{Key: h.name, Value: value})
	}
	if at.Number > 1 {
		from := len(b)
		var number []byte
		number, b = cut(strconv.AppendInt(b, int64(at.Number), 10), from)
		record.message.Headers = append(record.message.Headers, sarama.RecordHeader{Key: headerAttempt, Value: number})
	}
	a.used(b)
	t.arenas.Put(a)
	return record, err
}

// cut returns the bytes of b after from, and b to append to.
func cut(b []byte, from int) (piece, rest []byte) { return b[from:len(b):len(b)], b }
