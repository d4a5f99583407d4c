package kafkalink

import (
	"bufio"
	"io"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// repeat sends a Produce request twice. The client gets the first answer. A request that the broker would recognise is sent
// once.
func (c *conn) repeat(r *bufio.Reader, e *expected, f *Fault, answered bool) error {
	if answered {
		c.addExpected(e)
	}
	if e.size > maxRead || !e.known() {
		c.layer.logUnread(false, "a Produce request", errUnread)
		return copyBytes(c.Target, r, e.size)
	}
	frame := make([]byte, e.size)
	if _, err := io.ReadFull(r, frame); err != nil {
		return err
	}
	if !repeatable(e.head, frame) {
		if f.refused.Add(1) == 1 {
			f.log.Warn("a producer is idempotent or transactional: brokers recognise what it sends again, so nothing of it is duplicated", "link", c.layer.link)
		}
		_, err := c.Target.Write(frame)
		return err
	}
	if answered {
		c.addExpected(&expected{head: e.head, again: true})
	}
	for range 2 {
		if _, err := c.Target.Write(frame); err != nil {
			return err
		}
	}
	c.meets(f, e.size)
	return nil
}

// repeatable says whether a Produce request is of a plain producer. One that cannot be read is not.
func repeatable(h head, frame []byte) bool {
	body, err := h.body(frame)
	if err != nil {
		return false
	}
	request := kmsg.NewPtrProduceRequest()
	request.SetVersion(h.version)
	if err := request.UnsafeReadFrom(body); err != nil || request.TransactionID != nil {
		return false
	}
	for _, topic := range request.Topics {
		for _, partition := range topic.Partitions {
			if !plainRecords(partition.Records) {
				return false
			}
		}
	}
	return true
}

// plainRecords says whether no batch is of an idempotent producer.
func plainRecords(b []byte) bool {
	for len(b) > 0 {
		one, rest, ok := nextBatch(b)
		if !ok || len(one) >= batchRecords && one[batchMagic] == magicOfVersion2 && one.producerID() >= 0 {
			return false
		}
		b = rest
	}
	return true
}
