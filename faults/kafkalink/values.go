package kafkalink

import (
	"encoding/binary"
	"hash/fnv"
)

// frameSize is the size of what a Schema Registry's serializers put before a value: a zero byte, and the schema's id.
const frameSize = 5

// value is the value that a record gets by the act. ok is false if the act leaves it as it is. b is not changed.
func (a *Act) value(b []byte) (out []byte, ok bool) {
	switch {
	case b == nil: // a tombstone of the target's own
		return nil, false
	case a.Tombstone > 0:
		return nil, true
	case a.Truncate != nil:
		return b[:min(*a.Truncate, len(b))], len(b) > *a.Truncate
	case a.SchemaID != 0:
		if len(b) < frameSize || b[0] != 0 || binary.BigEndian.Uint32(b[1:]) == uint32(a.SchemaID) {
			return nil, false
		}
		out = append([]byte(nil), b...)
		binary.BigEndian.PutUint32(out[1:], uint32(a.SchemaID))
		return out, true
	}
	return corrupted(b), len(b) > 0
}

// corrupted changes one byte of sixteen, the first among them.
func corrupted(b []byte) []byte {
	out := append([]byte(nil), b...)
	for i := 0; i < len(out); i += 16 {
		out[i] ^= 0x55
	}
	return out
}

// place seeds the draws of one partition's offsets. It is a pure function.
func place(seed uint64, topic string, partition int32) uint64 {
	h := fnv.New64a()
	var b [12]byte
	binary.BigEndian.PutUint64(b[:], seed)
	binary.BigEndian.PutUint32(b[8:], uint32(partition))
	_, _ = h.Write(b[:])
	_, _ = h.Write([]byte(topic))
	return h.Sum64()
}

// covers says whether the act means records of a partition.
func (a *Act) covers(topic string, partition int32) bool {
	return (a.Topic == "" || a.Topic == topic) && (a.Partition == nil || *a.Partition == partition)
}
