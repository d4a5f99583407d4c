package grpc

import (
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
)

// FuzzShape compares the check with protobuf's own decoder: both accept and refuse the same bytes.
func FuzzShape(f *testing.F) {
	desc := inventory(f).Methods().ByName("Reserve").Input()
	s := newShape(desc)
	for _, b := range [][]byte{
		nil, {0x08}, {0x08, 0x01}, {0x0a, 0x01, 0xff}, {0x0a, 0x02, 'a', 'b'}, // text, good and bad
		{0x4a, 0x02, 0x02, 0x04}, {0x4a, 0x02, 0x02, 0x84}, {0x48, 0x02}, // a packed list, good and bad, and an unpacked one
		{0x1a, 0x03, 0x0a, 0x01, 'x'}, {0x1a, 0x03, 0x0a, 0x05, 'x'}, // a message
		{0x22, 0x04, 0x08, 0x01, 0x12, 0x00}, {0x22, 0x03, 0x12, 0x01, 0xff}, // a map
		{0x0b, 0x0c}, {0x0b}, {0x0c}, {0x00, 0x01}, {0x8a, 0x01, 0x02, 0x8a, 0x01}, // groups, number 0, nested in itself
		{0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ours, theirs := s.check(b), proto.Unmarshal(b, dynamicpb.NewMessage(desc))
		if (ours == nil) != (theirs == nil) {
			t.Errorf("%x: shape says %v, protobuf %v", b, ours, theirs)
		}
		find(b, []protowire.Number{17, 3, 1})
	})
}

func TestShapeNesting(t *testing.T) {
	desc := inventory(t).Methods().ByName("Reserve").Input()
	for depth, want := range map[int]bool{100: true, maxNesting + 10: false} {
		var b []byte
		for range depth {
			b = protowire.AppendBytes(protowire.AppendTag(nil, 17, protowire.BytesType), b)
			if len(b) > 1<<20 {
				t.Fatal("too long")
			}
		}
		if err := newShape(desc).check(b); (err == nil) != want {
			t.Errorf("%d deep: %v", depth, err)
		}
		if err := proto.Unmarshal(b, dynamicpb.NewMessage(desc)); (err == nil) != want {
			t.Errorf("%d deep: protobuf: %v", depth, err)
		}
	}
}

func TestFind(t *testing.T) {
	inner := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "first")
	b := protowire.AppendBytes(protowire.AppendTag(nil, 17, protowire.BytesType), inner)
	b = protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), 7)
	b = protowire.AppendFixed32(protowire.AppendTag(b, 15, protowire.Fixed32Type), 9)
	if _, text, ok := find(b, []protowire.Number{17, 1}); !ok || string(text) != "first" {
		t.Errorf("nested: %q, %v", text, ok)
	}
	if v, _, ok := find(b, []protowire.Number{2}); !ok || v != 7 {
		t.Errorf("number: %d, %v", v, ok)
	}
	if v, _, ok := find(b, []protowire.Number{15}); !ok || v != 9 {
		t.Errorf("fixed: %d, %v", v, ok)
	}
	if _, _, ok := find(b, []protowire.Number{3}); ok {
		t.Error("found what is not there")
	}
}

func BenchmarkShape(b *testing.B) {
	s := newShape(inventory(b).Methods().ByName("Reserve").Output())
	answer := []byte{0x08, 0x01, 0x12, 0x05, 'h', 'e', 'l', 'l', 'o'}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.check(answer); err != nil {
			b.Fatal(err)
		}
	}
}
