package amqp

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	library "github.com/rabbitmq/amqp091-go"
)

// cutAt feeds bytes in pieces of n, and lists the frames.
func cutAt(raw []byte, n int) (frames []string, err error) {
	var s splitter
	take := func(kind byte, channel uint16, payload []byte) error {
		frames = append(frames, fmt.Sprintf("%d/%d/%x", kind, channel, payload))
		return nil
	}
	for piece := range slices.Chunk(raw, n) {
		if err = s.feed(piece, take); err != nil {
			return frames, err
		}
	}
	return frames, nil
}

// Frames are the same however their bytes arrive.
func TestSplitter(t *testing.T) {
	raw := concat(frameOf(frameMethod, 1, []byte("first")), frameOf(frameHeartbeat, 0, nil), frameOf(frameBody, 70, bytes.Repeat([]byte{7}, 5000)), frameOf(frameHeader, 2, []byte{1}))
	whole, err := cutAt(raw, len(raw))
	if err != nil || len(whole) != 4 {
		t.Fatalf("%d frames, %v", len(whole), err)
	}
	for _, n := range []int{1, 2, 3, 7, 8, 11, 4096} {
		if got, err := cutAt(raw, n); err != nil || !slices.Equal(got, whole) {
			t.Errorf("in pieces of %d: %v, %v", n, got, err)
		}
	}
	for name, bad := range map[string][]byte{
		"a kind that is none": {4, 0, 0, 0, 0, 0, 0, frameEnd},
		"a size without end":  {1, 0, 0, 0xff, 0, 0, 0},
		"no end":              {1, 0, 0, 0, 0, 0, 1, 9, 9},
	} {
		for _, n := range []int{1, len(bad)} {
			if _, err := cutAt(bad, n); !errors.Is(err, errMalformed) {
				t.Errorf("%s in pieces of %d: %v", name, n, err)
			}
		}
	}
}

// FuzzFrames: bytes of a broker cut no frame differently by the way they arrive, and nothing that they hold makes a reader fail.
func FuzzFrames(f *testing.F) {
	f.Add(frameOf(frameMethod, 1, concat(be32(basicAck), be64(1), []byte{1})), 3)
	f.Add(frameOf(frameHeader, 1, concat(be32(60<<16), be64(5), be16(hasHeaders|hasMessageID), long("\x0awringer-idS\x00\x00\x00\x01a"), short("m"))), 1)
	f.Fuzz(func(t *testing.T, raw []byte, n int) {
		n = max(1, n%64)
		whole, err := cutAt(raw, max(1, len(raw)))
		pieces, err2 := cutAt(raw, n)
		if !slices.Equal(whole, pieces) || (err == nil) != (err2 == nil) {
			t.Errorf("%v, %v and %v, %v", whole, err, pieces, err2)
		}
		_, _, _ = readContentHeader(raw)
	})
}

// The properties that the library writes are read, whatever stands beside them.
func TestContentHeader(t *testing.T) {
	everything := library.Table{HeaderID: "r1.s.7", HeaderAttempt: "3", "bytes": []byte{1}, "nested": library.Table{"a": []any{int32(1), "x"}}, "n": int64(4), "f": 1.5,
		"t": true, "small": int8(1), "none": nil, "d": library.Decimal{Scale: 1, Value: 2}}
	for name, m := range map[string]library.Publishing{
		"everything": {Headers: everything, ContentType: "a", ContentEncoding: "b", DeliveryMode: 2, Priority: 3, CorrelationId: "c", ReplyTo: "d", Expiration: "1",
			MessageId: "m", Type: "t", UserId: "u", AppId: "x"},
		"headers alone": {Headers: everything},
		"message id":    {MessageId: "m"},
		"nothing":       {},
	} {
		t.Run(name, func(t *testing.T) {
			b := startFake(t)
			got := make(chan published, 1)
			b.behave(func(c *fakeConn, p published) { got <- p; c.confirm(p) })
			conn, err := library.Dial(b.url())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			ch, err := conn.Channel()
			if err != nil {
				t.Fatal(err)
			}
			if err := ch.Publish("", "q", false, false, m); err != nil {
				t.Fatal(err)
			}
			header := (<-got).header
			_, p, err := readContentHeader(header)
			if err != nil || string(p.message) != m.MessageId || string(p.id) != orEmpty(m.Headers[HeaderID]) || string(p.attempt) != orEmpty(m.Headers[HeaderAttempt]) {
				t.Errorf("%q %q %q, %v", p.id, p.attempt, p.message, err)
			}
			for n := range header[:len(header)-1] {
				if _, _, err := readContentHeader(header[:n]); err == nil && n < 14 {
					t.Errorf("%d of %d bytes are taken for a header", n, len(header))
				}
			}
		})
	}
}

func orEmpty(v any) string {
	s, _ := v.(string)
	return s
}

// Tags that await their confirms are found, in any order of confirms.
func TestUnconfirmed(t *testing.T) {
	var u unconfirmed
	for i := range 10 {
		u.add(&publish{ref: ref{uint64(i), 1}})
	}
	if u.take(0) != nil || u.take(11) != nil || u.take(3).ref.seq != 2 || u.take(3) != nil || u.count != 9 {
		t.Errorf("%+v", u)
	}
	if got := u.takeAll(5, nil); len(got) != 4 || got[2].ref.seq != 3 || u.first != 5 || u.count != 5 {
		t.Errorf("%d, first %d, count %d", len(got), u.first, u.count)
	}
	if got := u.takeAll(4, nil); len(got) != 0 || u.written() != 10 {
		t.Errorf("%d, written %d", len(got), u.written())
	}
	if tag := u.find(ref{8, 1}, 0); tag != 9 {
		t.Errorf("tag %d", tag)
	}
	if tag := u.find(ref{5, 1}, 9); tag != 6 {
		t.Errorf("tag %d", tag)
	}
	if u.find(ref{2, 1}, 0) != 0 || u.find(ref{8, 2}, 0) != 0 || u.last().ref.seq != 9 {
		t.Error("found what is not there")
	}
	if got := u.takeAll(10, nil); len(got) != 5 || u.count != 0 || u.last() != nil || u.find(ref{9, 1}, 0) != 0 {
		t.Errorf("%+v", u)
	}
}
