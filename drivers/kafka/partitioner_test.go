package kafka

import (
	"testing"

	"wringer/drivers"
)

// A key has one partition, the same as in the client that the partitioner is named after. If keys are ignored, all
// partitions are used. The same seed gives the same partitions.
func TestPartitioners(t *testing.T) {
	const partitions = 6
	// As Java's client and librdkafka choose them, for keys k0 to k4 over six partitions.
	known := map[string][]int32{"murmur2": {5, 5, 3, 4, 4}, "crc32": {3, 1, 3, 5, 2}}
	for name := range partitionerByName {
		config := Config{Brokers: "a:1", Topic: topic, Partitioner: name}
		template, err := config.recordTemplate(newEnv(), drivers.Dialect{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		p, again := config.partitioner(7)(topic), config.partitioner(7)(topic)
		used := make(map[int32]bool)
		homes := make(map[uint64]int32)
		for seq := range uint64(300) {
			record, _ := template.record(&drivers.Op{Seq: seq, Keyed: true, Key: seq % 5}, &drivers.Attempt{Number: 1}, nil)
			record.message.Metadata = record
			to, err := p.Partition(&record.message, partitions)
			if err != nil || to < 0 || to >= partitions {
				t.Fatalf("%s: partition %d, %v", name, to, err)
			}
			if same, _ := again.Partition(&record.message, partitions); same != to {
				t.Fatalf("%s: partitions %d and %d", name, to, same)
			}
			used[to] = true
			if home, ok := homes[seq%5]; ok && home != to && config.keyed() {
				t.Fatalf("%s: key %d in partitions %d and %d", name, seq%5, home, to)
			}
			homes[seq%5] = to
			if want := known[name]; want != nil && want[seq%5] != to {
				t.Fatalf("%s: key k%d goes to partition %d, want %d", name, seq%5, to, want[seq%5])
			}
		}
		if !config.keyed() && len(used) != partitions {
			t.Errorf("%s: %d of %d partitions used", name, len(used), partitions)
		}
	}
}
