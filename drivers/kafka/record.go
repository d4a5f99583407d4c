package kafka

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/IBM/sarama"

	"wringer/drivers"
)

// recipe renders the records of a stream.
type recipe struct {
	topic    string
	identity drivers.Identity
	key      *text // nil: none
	keyed    bool  // the key is rendered for operations without a key too
	value    *text
	size     int
	headers  []namedText
	room     int // bytes that a record's texts are likely to need
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

// recipe compiles the texts of c, which Check has passed.
func (c *Config) recipe(env drivers.Env) (*recipe, error) {
	r := &recipe{topic: c.Topic, identity: env.Identity, keyed: c.Key != "", size: int(c.Size)}
	var err error
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
	r.room = max(r.size, 2*len(r.value.String())) + 2*len(r.key.String()) + 96
	for _, h := range r.headers {
		r.room += 2 * len(h.text.String())
	}
	return r, nil
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
func (r *recipe) flight(op *drivers.Op, at *drivers.Attempt, done func()) *flight {
	f := &flight{ref: ref{op.Seq, at.Number}, at: at, done: done}
	b := r.value.append(make([]byte, 0, r.room), op)
	if short := r.size - len(b); short > 0 {
		b = append(b, bytes.Repeat([]byte{' '}, short)...)
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
		f.message.Headers = append(f.message.Headers, sarama.RecordHeader{Key: headerAttempt, Value: strconv.AppendInt(nil, int64(at.Number), 10)})
	}
	return f
}

// cut returns what stands in b behind from, and b to append to.
func cut(b []byte, from int) (piece, rest []byte) { return b[from:len(b):len(b)], b }

// partitioner sends a key's records to one partition, by sarama's hash of the key, and records without a key to
// partitions drawn from the stream's seed.
type partitioner struct {
	sarama.Partitioner
	seed uint64
}

func newPartitioner(seed uint64) sarama.PartitionerConstructor {
	return func(topic string) sarama.Partitioner {
		return partitioner{sarama.NewHashPartitioner(topic), drivers.Draw(seed, 0, drawPlace+1)}
	}
}

// Partition implements sarama.Partitioner.
func (p partitioner) Partition(m *sarama.ProducerMessage, n int32) (int32, error) {
	if m.Key != nil {
		return p.Partitioner.Partition(m, n)
	}
	f := m.Metadata.(*flight)
	return int32(drivers.DrawBelow(drivers.Draw(p.seed, f.ref.seq, 0), uint64(n))), nil
}

// MessageRequiresConsistency implements sarama.DynamicConsistencyPartitioner: a record without a key can go around a
// partition that has no leader.
func (p partitioner) MessageRequiresConsistency(m *sarama.ProducerMessage) bool { return m.Key != nil }
