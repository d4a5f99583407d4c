package kafka

import (
	"github.com/IBM/sarama"

	"wringer/drivers"
)

// partitioner sends the records of a key to one partition, by a hash of the key. Records without a key go to partitions
// drawn from the stream's seed. It can also treat all records as records without a key.
type partitioner struct {
	sarama.Partitioner
	keyless func(seq uint64, n uint64) uint64
	keyed   bool // false: keys are ignored
}

// partitionerByName makes sarama's part of a partitioner. A nil result means that keys are ignored.
var partitionerByName = map[string]func(topic string) sarama.Partitioner{
	"":            sarama.NewHashPartitioner,
	"hash":        sarama.NewHashPartitioner,
	"murmur2":     sarama.NewMurmur2Partitioner,
	"crc32":       sarama.NewConsistentCRCHashPartitioner,
	"round_robin": sarama.NewManualPartitioner,
	"random":      sarama.NewManualPartitioner,
}

// keyed says whether the records of a key go to one partition.
func (c *Config) keyed() bool { return c.Partitioner != "round_robin" && c.Partitioner != "random" }

func (c *Config) partitioner(seed uint64) sarama.PartitionerConstructor {
	seed = drivers.Draw(seed, 0, drawPlace+1)
	keyless := func(seq, n uint64) uint64 { return drivers.DrawBelow(drivers.Draw(seed, seq, 0), n) }
	if c.Partitioner == "round_robin" {
		keyless = func(seq, n uint64) uint64 { return seq % n }
	}
	keyed := c.keyed()
	return func(topic string) sarama.Partitioner {
		return partitioner{partitionerByName[c.Partitioner](topic), keyless, keyed}
	}
}

// Partition implements sarama.Partitioner.
func (p partitioner) Partition(m *sarama.ProducerMessage, n int32) (int32, error) {
	if p.keyed && m.Key != nil {
		return p.Partitioner.Partition(m, n)
	}
	return int32(p.keyless(m.Metadata.(*pendingRecord).ref.seq, uint64(n))), nil
}

// MessageRequiresConsistency implements sarama.DynamicConsistencyPartitioner. A record without a key can avoid a partition
// without a leader.
func (p partitioner) MessageRequiresConsistency(m *sarama.ProducerMessage) bool {
	return p.keyed && m.Key != nil
}
