package kafka

import (
	"strconv"
	"sync/atomic"

	"github.com/IBM/sarama"
)

// batchLimit keeps the batches of sarama's producer below the topic's max.message.bytes, since sarama does not split a batch that
// is too large. It must not split one afterwards either: the records behind it may have been sent.
//
// sarama closes a batch that the next record would lift to the bound of batches, and refuses a record above this bound. One bound
// would refuse large records that fit once they are compressed. So the bound of the configuration stays where it is. While sarama
// looks for room for records, they are told to be longer than they are: see valueEncoder.
type batchLimit struct {
	most int          // sarama's bound
	now  atomic.Int64 // bytes of a batch, uncompressed; at most most
}

// roomForCodec is the part of a batch that its codec may add to records that cannot be compressed.
const roomForCodec = 8

// limitBatches finds out the limit of the topic. Where it is not told, batches that are refused lower the limit.
func (d *Driver) limitBatches(client sarama.Client) *batchLimit {
	p := &client.Config().Producer
	limit, told := topicLimit(client, d.config.Topic)
	if told && p.Compression == sarama.CompressionNone {
		p.MaxMessageBytes = min(p.MaxMessageBytes, limit) // what is too large by itself is known before
	}
	l := &batchLimit{most: p.MaxMessageBytes}
	l.now.Store(int64(l.most))
	if told && p.Compression != sarama.CompressionNone {
		l.now.Store(int64(min(l.most, limit-limit/roomForCodec)))
	}
	return l
}

// topicLimit asks for max.message.bytes.
func topicLimit(client sarama.Client, topic string) (bytes int, told bool) {
	const key = "max.message.bytes"
	broker := client.LeastLoadedBroker()
	if broker == nil {
		return 0, false
	}
	answer, err := broker.DescribeConfigs(&sarama.DescribeConfigsRequest{Version: 1, Resources: []*sarama.ConfigResource{
		{Type: sarama.TopicResource, Name: topic, ConfigNames: []string{key}}}})
	if err != nil {
		return 0, false
	}
	for _, topic := range answer.Resources {
		for _, entry := range topic.Configs {
			if n, err := strconv.Atoi(entry.Value); entry.Name == key && err == nil && n > 0 {
				return n, true
			}
		}
	}
	return 0, false
}

// stretch is how much longer than it is a record's value is told to be, so that sarama closes a batch in time. A record that
// is larger than a batch by itself has a batch of its own.
func (l *batchLimit) stretch(r *pendingRecord) int {
	if l == nil || r.size == 0 || r.size > l.most {
		return 0
	}
	r.limit = l.now.Load()
	return min(l.most-int(r.limit), l.most-r.size)
}

// refused lowers the limit after a record was refused that may have shared its batch: the topic's limit was not told, or has
// changed. The records of one batch lower it once.
func (l *batchLimit) refused(r *pendingRecord) {
	if l != nil && int64(r.size) < r.limit {
		l.now.CompareAndSwap(r.limit, r.limit/2)
	}
}
