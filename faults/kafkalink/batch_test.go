package kafkalink

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"testing"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// packed is a batch of these values at offset 100 and on, as a producer with this codec packs it.
func packed(t testing.TB, codec kgo.CompressionCodecType, attributes int16, values ...[]byte) batch {
	t.Helper()
	var records []byte
	for i, value := range values {
		r := kmsg.Record{OffsetDelta: int32(i), Key: fmt.Append(nil, "key", i), Value: value}
		body := kbin.AppendVarint(kbin.AppendVarint([]byte{0}, 0), int32(i)) // attributes, time, offset
		body = kbin.AppendVarintBytes(kbin.AppendVarintBytes(body, r.Key), value)
		body = kbin.AppendVarintBytes(kbin.AppendVarintString(kbin.AppendVarint(body, 1), "header"), []byte("h")) // one header
		records = append(kbin.AppendVarint(records, int32(len(body))), body...)
	}
	b := kmsg.RecordBatch{
		FirstOffset: 100, Magic: magicOfVersion2, Attributes: attributes | int16(codec), LastOffsetDelta: int32(len(values)) - 1,
		PartitionLeaderEpoch: 5, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: int32(len(values)),
	}
	one := batch(b.AppendTo(nil))
	out, err := one.rebuilt(records)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// whole checks a batch's length and CRC.
func whole(t testing.TB, b batch) {
	t.Helper()
	first, rest, ok := nextBatch(b)
	if !ok || len(rest) > 0 {
		t.Fatalf("%d bytes are not one batch", len(b))
	}
	if want, got := crc32.Checksum(first[batchAttributes:], castagnoli), binary.BigEndian.Uint32(first[batchCRC:]); got != want {
		t.Fatalf("the CRC is %x, want %x", got, want)
	}
}

func values(t testing.TB, b batch) (all [][]byte) {
	t.Helper()
	_, _, err := b.altered(func(_ int64, value []byte) ([]byte, bool) { all = append(all, value); return nil, false })
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAlteredBatches(t *testing.T) {
	long := bytes.Repeat([]byte("long "), 5000)
	for _, codec := range []kgo.CompressionCodecType{kgo.CodecNone, kgo.CodecGzip, kgo.CodecSnappy, kgo.CodecLz4, kgo.CodecZstd} {
		b := packed(t, codec, 0, []byte("one"), nil, long, []byte{})
		whole(t, b)
		if same, changed, err := b.altered(func(int64, []byte) ([]byte, bool) { return nil, false }); changed || err != nil || !bytes.Equal(same, b) {
			t.Errorf("codec %d: a batch that nothing changes is another: %v", codec, err)
		}
		var offsets []int64
		out, changed, err := b.altered(func(offset int64, value []byte) ([]byte, bool) {
			offsets = append(offsets, offset)
			switch offset {
			case 100:
				return nil, true
			case 101:
				return []byte("was null"), true
			case 102:
				return corrupted(value), true
			}
			return nil, false
		})
		if err != nil || !changed || fmt.Sprint(offsets) != "[100 101 102 103]" {
			t.Fatalf("codec %d: %v, %v, %v", codec, offsets, changed, err)
		}
		whole(t, out)
		if out.codec() != codec || out.first() != 100 || out.last() != 103 || out.count() != 4 || !bytes.Equal(out[:batchLength], b[:batchLength]) {
			t.Errorf("codec %d: the head changed: %x", codec, out[:batchRecords])
		}
		got := values(t, out)
		if got[0] != nil || string(got[1]) != "was null" || bytes.Equal(got[2], long) || len(got[2]) != len(long) || got[3] == nil || len(got[3]) != 0 {
			t.Errorf("codec %d: %q", codec, got)
		}
	}
}

func TestActOnValues(t *testing.T) {
	n := func(i int) *int { return &i }
	framed := "\x00\x00\x00\x00\x07value"
	for _, test := range []struct {
		act      Act
		in, want string
		ok       bool
	}{
		{Act{Truncate: n(3)}, "value", "val", true},
		{Act{Truncate: n(0)}, "value", "", true},
		{Act{Truncate: n(5)}, "value", "value", false},
		{Act{SchemaID: 999999}, framed, "\x00\x00\x0f\x42\x3fvalue", true},
		{Act{SchemaID: 7}, framed, framed, false},
		{Act{SchemaID: 9}, "{}", "{}", false},
		{Act{Corrupt: 1}, "", "", false},
		{Act{Corrupt: 1}, "aaaaaaaaaaaaaaaaaa", "4aaaaaaaaaaaaaaa4a", true},
		{Act{Tombstone: 1}, "value", "", true},
	} {
		got, ok := test.act.value([]byte(test.in))
		if ok != test.ok || ok && string(got) != test.want {
			t.Errorf("%s on %q: %q, %v", (&FaultConfig{Act: test.act}).words(), test.in, got, ok)
		}
		if _, ok := test.act.value(nil); ok {
			t.Errorf("%s changes a null", (&FaultConfig{Act: test.act}).words())
		}
	}
}

// Whatever comes as a batch, nothing panics, and a changed batch is whole and holds the same number of records.
func FuzzAlteredBatch(f *testing.F) {
	for codec := range kgo.CompressionCodecType(5) {
		f.Add([]byte(packed(f, codec, 0, []byte("one"), nil, []byte("three"))))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		for {
			one, rest, ok := nextBatch(b)
			if !ok {
				return
			}
			b = rest
			if !one.data() {
				continue
			}
			n := 0
			out, changed, err := one.altered(func(_ int64, value []byte) ([]byte, bool) { n++; return append(value, 'x'), true })
			if err != nil || !changed {
				continue
			}
			whole(t, out)
			if got := values(t, out); len(got) != n {
				t.Fatalf("%d records became %d", n, len(got))
			}
		}
	})
}
