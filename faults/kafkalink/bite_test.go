package kafkalink

import (
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"wringer/faults/faulttest"
)

// gate is a broker that holds its answers to Produce until they are released. A nil answer closes the connection. As a broker
// does, it answers no Produce with acks=0.
type gate struct {
	got     chan struct{} // a Produce came
	release chan []byte
}

func newGate() *gate { return &gate{make(chan struct{}, 10), make(chan []byte, 10)} }

func (g *gate) answer(request []byte) []byte {
	if int16(binary.BigEndian.Uint16(request[4:])) != int16(kmsg.Produce) {
		return echo(request)
	}
	g.got <- struct{}{}
	return <-g.release
}

func wantsMatched(t *testing.T, f *Fault, want int64) {
	t.Helper()
	b := f.Bite()
	if f.Matched() != want || b.Bit != (want > 0) || b.Connections != min(want, 1) || (b.Bytes > 0) != (want > 0) {
		t.Errorf("%s: counts %d, %+v, want %d", f.name, f.Matched(), b, want)
	}
}

// awaitMatched waits until the fault has counted so many requests.
func (f *Fault) awaitMatched(t *testing.T, want int64) {
	t.Helper()
	tick, bound := time.NewTicker(time.Millisecond), time.NewTimer(patience)
	defer tick.Stop()
	defer bound.Stop()
	for f.Matched() < want {
		select {
		case <-tick.C:
		case <-bound.C:
			t.Fatalf("%s: counts %d of %d", f.name, f.Matched(), want)
		}
	}
}

// A fault on answers counts the answers that came later by it, or not at all, and counts them at that time.
func TestCountsTheAnswersThatItChanges(t *testing.T) {
	request, next := produce(1, -1), frame(int16(kmsg.ApiVersions), 0, 2)
	for _, a := range []Act{{API: "produce", Delay: time.Hour}, {API: "produce", Drop: dropAnswers}} {
		t.Run((&FaultConfig{Act: a}).words(), func(t *testing.T) {
			t.Run("changed", func(t *testing.T) {
				g := newGate()
				r := newRig(t, serve(t, g.answer))
				f, c := r.inject(t, a), r.dial(t)
				send(t, c, request)
				<-g.got
				wantsMatched(t, f, 0) // the answer may never come
				g.release <- echo(request)
				f.awaitMatched(t, 1)
				faulttest.Heal(t, f)
				wantsMatched(t, f, 1)
			})
			t.Run("healed before the answer", func(t *testing.T) {
				g := newGate()
				r := newRig(t, serve(t, g.answer))
				f, c := r.inject(t, a), r.dial(t)
				send(t, c, request)
				<-g.got
				faulttest.Heal(t, f)
				g.release <- echo(request)
				wants(t, c, "answer", echo(request))
				wantsMatched(t, f, 0)
			})
			t.Run("no answer", func(t *testing.T) {
				g := newGate()
				r := newRig(t, serve(t, g.answer))
				f, c := r.inject(t, a), r.dial(t)
				send(t, c, request)
				<-g.got
				g.release <- nil
				if n, err := c.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
					t.Errorf("%d bytes, %v, want the end", n, err)
				}
				faulttest.Heal(t, f)
				wantsMatched(t, f, 0)
			})
			t.Run("acks=0", func(t *testing.T) {
				r := newRig(t, serve(t, func(request []byte) []byte {
					if int16(binary.BigEndian.Uint16(request[4:])) == int16(kmsg.Produce) {
						return []byte{} // none
					}
					return echo(request)
				}))
				f, c := r.inject(t, a), r.dial(t)
				send(t, c, produce(1, 0), next)
				wants(t, c, "the next answer", echo(next))
				faulttest.Heal(t, f)
				wantsMatched(t, f, 0)
			})
			t.Run("behind a dropped answer", func(t *testing.T) {
				g := newGate()
				r := newRig(t, serve(t, g.answer))
				silencer := r.inject(t, Act{API: "api_versions", Drop: dropAnswers})
				f, c := r.inject(t, a), r.dial(t)
				send(t, c, next, request)
				<-g.got
				g.release <- echo(request)
				silencer.awaitSilence(t)
				faulttest.Heal(t, silencer)
				if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil {
					t.Errorf("%d bytes, %v, want the end", n, err)
				}
				faulttest.Heal(t, f)
				wantsMatched(t, f, 0)
				wantsMatched(t, silencer, 1)
			})
		})
	}
}
