package kafka

import (
	"github.com/IBM/sarama"

	"wringer/drivers"
)

// partitioner sends a key's records to one partition, by a hash of the key, and records without a key to partitions drawn
// from the stream's seed; or it sends all of them where keyless ones go.
type partitioner struct {
	sarama.Partitioner
	keyless func(seq uint64, n uint64) uint64
	keyed   bool // false: keys do not matter
}

// partitionerByName makes sarama's part of a partitioner; where it makes none, keys do not matter.
var partitionerByName = map[string]func(topic string) sarama.Partitioner{
	"":            sarama.NewHashPartitioner,
	"hash":        sarama.NewHashPartitioner,
	"murmur2":     sarama.NewMurmur2Partitioner,
	"crc32":       sarama.NewConsistentCRCHashPartitioner,
	"round_robin": sarama.NewManualPartitioner,
	"random":      sarama.NewManualPartitioner,
}

// keyed says that a key's records go to one partition.
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

// MessageRequiresConsistency implements sarama.DynamicConsistencyPartitioner: a record without a key can go around a
// partition that has no leader.
func (p partitioner) MessageRequiresConsistency(m *sarama.ProducerMessage) bool {
	return p.keyed && m.Key != nil
}
