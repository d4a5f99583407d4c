package witness

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

// hall is an account of requests that lets a source hear of each, as the runner's does.
type hall struct{ source *overheard }

func (h hall) Arrived(r *drivers.Request)  { r.To, r.At = h, time.Second; h.source.Arrived(r) }
func (h hall) Identified(*drivers.Request) {}
func (h hall) Over(r *drivers.Request)     { h.source.Over(r) }
func (h hall) Blind(why string)            { h.source.Blind(why) }
func sent(exchange, key string, bits byte, body string, properties ...byte) string {
	return ">" + method(1, 60, 40, append([]byte{0, 0}, append(short(exchange, key), bits)...)...) + content(body, properties...)
}

func returned(exchange, key, body string, properties ...byte) string {
	args := append(binary.BigEndian.AppendUint16(nil, 312), short("NO_ROUTE", exchange, key)...)
	return "<" + method(1, 60, 50, args...) + content(body, properties...)
}

func confirming(n uint64, multiple byte) string { return "<" + method(1, 60, 80, tag(n, multiple)...) }

// What a broker confirmed and did not return is an effect. What it returned or never got whole is none. Of all else nothing is known.
func TestOverheard(t *testing.T) {
	env := drivertest.NewEnv(t, time.Now())
	id := func(n uint64) []byte { return withHeaders("", "x-id", env.Identity.Text(n)) }
	selected := []string{">" + amqpHeader, ">" + method(1, 85, 10, 0), "<" + method(1, 85, 11)}
	for _, test := range []struct {
		name    string
		config  Effect
		place   string
		said    []string
		want    []uint64
		unknown string
		end     bool // the connection is closed
	}{
		{name: "confirmed", said: []string{sent("", "work", 0, "a", id(1)...), confirming(1, 0)}, want: []uint64{1}},
		{name: "confirmed together", said: []string{sent("", "work", 0, "a", id(1)...), sent("", "work", 1, "a", id(2)...), sent("", "work", 0, "a", id(1)...), confirming(3, 1)}, want: []uint64{1, 1, 2}},
		{name: "a repeated confirm", said: []string{sent("", "work", 0, "a", id(1)...), confirming(1, 0), confirming(1, 0)}, want: []uint64{1}},
		{name: "another queue", config: Effect{Queue: "work"}, said: []string{sent("", "work", 0, "a", id(1)...), sent("", "other", 0, "a", id(2)...), sent("x", "work", 0, "a", id(3)...), confirming(3, 1)}, want: []uint64{1}},
		{name: "exchange", config: Effect{Exchange: "x"}, said: []string{sent("", "work", 0, "a", id(1)...), sent("x", "k", 0, "a", id(3)...), confirming(2, 1)}, want: []uint64{3}},
		{name: "exchange and key", config: Effect{Exchange: "x", RoutingKey: "k"}, said: []string{sent("x", "l", 0, "a", id(1)...), sent("x", "k", 0, "a", id(3)...), confirming(2, 1)}, want: []uint64{3}},
		{name: "returned", said: []string{sent("", "work", 1, "a", id(1)...), sent("", "work", 1, "a", id(2)...), returned("", "work", "a", id(2)...), confirming(2, 1)}, want: []uint64{1}},
		{name: "returned once of two", said: []string{sent("", "work", 1, "a", id(1)...), sent("", "work", 1, "a", id(1)...), returned("", "work", "a", id(1)...), confirming(2, 1)}, want: []uint64{1}},
		{name: "returned, and nothing fits", said: []string{sent("", "work", 1, "a", id(1)...), returned("", "work", "a", id(7)...), confirming(1, 0)}, unknown: "did not tell which"},
		{name: "nacked", said: []string{sent("", "work", 0, "a", id(1)...), "<" + method(1, 60, 120, tag(1, 0)...)}, unknown: "(nack)"},
		{name: "the channel closed", said: []string{sent("", "work", 0, "a", id(1)...), "<" + method(1, 20, 40, append([]byte{1, 148}, append(short("NOT_FOUND"), 0, 60, 0, 40)...)...)}, unknown: "(amqp_404)"},
		{name: "cut before its confirm", said: []string{sent("", "work", 0, "a", id(1)...)}, end: true, unknown: "never confirmed"},
		{name: "cut within", said: []string{sent("", "work", 0, "ab", id(1)...)[:120]}, end: true},
		{name: "never confirmed", said: []string{sent("", "work", 0, "a", id(1)...)}, unknown: "1 messages await"},
		{name: "one of another exchange awaits", config: Effect{Exchange: "x"}, said: []string{sent("", "work", 0, "a", id(1)...)}},
		{name: "body", place: "$.id", config: Effect{Match: map[string]string{"$.n": "{{seq}}"}}, said: []string{
			sent("", "work", 0, fmt.Sprintf(`{"id":"%s","n":1}`, env.Identity.Text(1))), confirming(1, 0)}, want: []uint64{1}},
		{name: "a body above the bound", place: "$.id", said: []string{sent("", "work", 0, strings.Repeat(" ", 3*bodyBound)), confirming(1, 0)}, unknown: "could not be read"},
		{name: "blind", said: []string{">\x00\x00\x01\x00\x00\x00\x01\x00"}, unknown: "could not be read"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				at := test.config
				at.Link = "a->b"
				env := env
				env.Passed = func() bool { return true }
				opened, err := at.Open(t.Context(), env)
				if err != nil {
					t.Fatal(err)
				}
				s := opened.(*overheard)
				got, unknown := hear(t, s, test.place, at.fields().Matched(), append(slices.Clone(selected), test.said...), test.end)
				var seqs []uint64
				for _, d := range got {
					seq, _ := env.Identity.Parse([]byte(d.id))
					seqs = append(seqs, seq)
					if d.wrong != "" || d.at != time.Second {
						t.Errorf("%+v", d)
					}
				}
				slices.Sort(seqs)
				if !slices.Equal(seqs, test.want) {
					t.Errorf("heard %v, want %v", seqs, test.want)
				}
				if (unknown == nil) != (test.unknown == "") || unknown != nil && !strings.Contains(unknown.Error(), test.unknown) {
					t.Errorf("unknown: %v, want %q", unknown, test.unknown)
				}
			})
		})
	}
}

type gotten struct {
	id, wrong string
	at        time.Duration
}

// hear plays what was said on a connection of a link, and returns what a source that overhears it delivers until it has caught up.
func hear(t *testing.T, s *overheard, place string, keep bool, said []string, end bool) (got []gotten, unknown error) {
	t.Helper()
	if place == "" {
		place = "header x-id"
	}
	p, err := ParsePlace(place)
	if err != nil {
		t.Fatal(err)
	}
	w := OnLink(p, func() drivers.Requests { return hall{s} })
	if keep {
		w.KeepBodies()
	}
	c := w.watch(nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var receiving sync.WaitGroup
	receiving.Go(func() {
		_ = s.Receive(ctx, func(d *drivers.Delivery) { got = append(got, gotten{string(d.ID), d.Wrong, d.At}) })
	})
	for _, line := range said {
		b := []byte(line[1:])
		if line[0] == '>' {
			c.beginWrite()
			c.endWrite(b)
			continue
		}
		c.mu.Lock()
		c.received(b, false)
		c.mu.Unlock()
	}
	if end {
		c.mu.Lock()
		c.reader.abandon()
		c.mu.Unlock()
	}
	waiting, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	unknown = s.CatchUp(waiting)
	cancel()
	receiving.Wait()
	return got, unknown
}

// A link that nothing passed shows nothing: the service may have gone another way.
func TestOverheardNothing(t *testing.T) {
	env := drivertest.NewEnv(t, time.Now())
	passed := false
	env.Passed = func() bool { return passed }
	s, err := (&Effect{Link: "orders->rabbit"}).Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CatchUp(t.Context()); err == nil || !strings.Contains(err.Error(), "${links.orders->rabbit}") {
		t.Errorf("%v", err)
	}
	passed = true
	if err := s.CatchUp(t.Context()); err != nil {
		t.Error(err)
	}
}

// A body that differs from what was sent is told.
func TestOverheardDiffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env := drivertest.NewEnv(t, time.Now())
		env.Passed = func() bool { return true }
		s, err := (&Effect{Link: "a", Match: map[string]string{"$.n": "{{seq}}"}}).Open(t.Context(), env)
		if err != nil {
			t.Fatal(err)
		}
		said := []string{">" + amqpHeader, ">" + method(1, 85, 10, 0), "<" + method(1, 85, 11),
			sent("", "q", 0, `{"n":8}`, withHeaders("", "x-id", env.Identity.Text(7))...), confirming(1, 0)}
		got, unknown := hear(t, s.(*overheard), "", true, said, false)
		if unknown != nil || len(got) != 1 || !strings.Contains(got[0].wrong, "8") {
			t.Errorf("%+v, %v", got, unknown)
		}
	})
}

func TestEffectCheck(t *testing.T) {
	for name, e := range map[string]Effect{"queue": {Link: "a", Queue: "q", Exchange: "x"}, "match": {Link: "a", Match: map[string]string{"n": "1"}}, "": {Link: "a", Queue: "q"}} {
		var fields []string
		e.Check(func(field, _ string) { fields = append(fields, field) })
		if strings.Join(fields, "") != name {
			t.Errorf("problems at %v, want %q", fields, name)
		}
	}
}
