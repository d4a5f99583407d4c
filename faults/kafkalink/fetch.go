package kafkalink

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"

	"wringer/faults"
)

// maxFetch bounds the answers to Fetch that are read as a whole. Clients ask for 50 MiB at most unless told otherwise.
const maxFetch = 64 << 20

// holdPause is how long an answer waits from which all records were held back. Without it a client would ask again at once,
// and get the same.
const holdPause = 100 * time.Millisecond

// fetch is what is known of a consumer's Fetch.
type fetch struct {
	wait time.Duration // how long the client lets the broker wait for records
}

var errTopicIDs = errors.New("the client names topics by their ids, although the broker offers older versions alone")

// consumersFetch reads the start of a Fetch. It returns nil for a replica's, for other requests, and while no planned fault asks
// for it.
func (l *layer) consumersFetch(h head, prefix []byte) *fetch {
	if kmsg.Key(h.key) != kmsg.Fetch || !l.readsFetches.Load() || !h.known() {
		return nil
	}
	if h.version > lastNamedFetch {
		l.logUnread(false, fmt.Sprint("Fetch v", h.version), errTopicIDs)
		return nil
	}
	body, err := h.body(prefix)
	if err != nil {
		return nil
	}
	r := kbin.Reader{Src: body}
	replica, wait := r.Int32(), time.Duration(r.Int32())*time.Millisecond
	if !r.Ok() || replica >= 0 {
		return nil
	}
	return &fetch{wait: wait}
}

// changesRecords says whether a fault in force may change an answer's records.
func (c *conn) changesRecords(e *expected) bool {
	return e.fetch != nil && len(c.onRecords()) > 0
}

// onRecords lists the faults in force on what consumers get over this connection.
func (c *conn) onRecords() (all []*Fault) {
	for _, f := range c.layer.faults.All() {
		if kmsg.Key(f.key) == kmsg.Fetch && f.onAnswers && f.aim.Covers(c.address, "") {
			all = append(all, f)
		}
	}
	return all
}

// changedFetch returns a consumer's answer as the faults in force make it. Without records that it may pass on, it waits.
func (c *conn) changedFetch(e *expected, frame []byte, arrived time.Time) []byte {
	changed, empty, held := false, true, (*Fault)(nil)
	body, err := withAnswer(e.key, e.version, frame[8:], func(answer kmsg.Response) error {
		topics := answer.(*kmsg.FetchResponse).Topics
		for i := range topics {
			for j := range topics[i].Partitions {
				p := &topics[i].Partitions[j]
				for _, f := range c.onRecords() {
					if len(p.RecordBatches) == 0 || !f.act.covers(topics[i].Topic, p.Partition) {
						continue
					}
					if f.act.Hold {
						held = f
						c.hold(f, topics[i].Topic, p)
						changed = true
					} else if c.alter(f, topics[i].Topic, p) {
						changed = true
					}
				}
				empty = empty && len(p.RecordBatches) == 0 && p.ErrorCode == 0
			}
		}
		return nil
	})
	if err != nil {
		c.layer.logUnread(false, fmt.Sprint("Fetch v", e.version), err)
		return frame
	}
	if held != nil && empty {
		held.Wait(c.Ends, arrived.Add(min(e.fetch.wait, holdPause)))
	}
	if !changed {
		return frame
	}
	return withLength(append(frame[:8:8], body...))
}

// hold takes the records out of an answer. The client asks for them again.
func (c *conn) hold(f *Fault, topic string, p *kmsg.FetchResponseTopicPartition) {
	var fresh int64
	for rest := p.RecordBatches; ; {
		one, more, ok := nextBatch(rest)
		if !ok || len(one) < batchRecords {
			break
		}
		fresh += f.touched.beyond(one.first(), one.last())
		rest = more
	}
	f.touched.add(topic, p.Partition, fresh)
	c.meets(f, len(p.RecordBatches))
	p.RecordBatches, p.AbortedTransactions = []byte{}, nil
}

// alter changes the values that the fault draws. It reports whether it changed any.
func (c *conn) alter(f *Fault, topic string, p *kmsg.FetchResponseTopicPartition) bool {
	seed, share := place(f.Seed, topic, p.Partition), f.Share
	var count, bytes int64
	out := make([]byte, 0, len(p.RecordBatches))
	rest := p.RecordBatches
	for len(rest) > 0 {
		one, more, ok := nextBatch(rest)
		if !ok {
			break
		}
		rest = more
		if !one.data() || !drawsAny(share, seed, one.first(), one.last()) {
			out = append(out, one...)
			continue
		}
		var n, size int64
		changed, ok, err := one.altered(func(offset int64, value []byte) ([]byte, bool) {
			if !share.Draws(seed, uint64(offset)) {
				return nil, false
			}
			altered, ok := f.act.value(value)
			if ok {
				n, size = n+1, size+int64(len(value))
			}
			return altered, ok
		})
		if err != nil {
			c.layer.logUnread(false, fmt.Sprintf("a batch of %s/%d", topic, p.Partition), err)
		}
		if ok {
			count, bytes = count+n, bytes+size
		}
		out = append(out, changed...)
	}
	if count == 0 {
		return false
	}
	p.RecordBatches = append(out, rest...)
	f.touched.add(topic, p.Partition, count)
	c.meets(f, int(bytes))
	return true
}

// maxDraws bounds the draws for one batch. Brokers hold batches to fewer records.
const maxDraws = 1 << 20

// drawsAny says whether any of the offsets is drawn, so that a batch need not be unpacked for nothing.
func drawsAny(share faults.Share, seed uint64, first, last int64) bool {
	if last-first >= maxDraws {
		return true
	}
	for offset := first; offset <= last; offset++ {
		if share.Draws(seed, uint64(offset)) {
			return true
		}
	}
	return false
}
