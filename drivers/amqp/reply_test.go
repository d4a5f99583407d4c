package amqp

import (
	"context"
	"strings"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest"
	"wringer/drivers/reply"
)

// asks reads what a request says of its reply.
func (p *published) asks() (replyTo, correlation string) {
	r := reader{b: p.header}
	r.uint32()
	r.uint64()
	has := r.uint16()
	for _, bit := range []uint16{hasContentType, hasEncoding} {
		if has&bit != 0 {
			r.shortText()
		}
	}
	if has&hasHeaders != 0 {
		r.longText()
	}
	for _, bit := range []uint16{hasMode, hasPriority} {
		if has&bit != 0 {
			r.uint8()
		}
	}
	if has&hasCorrelation != 0 {
		correlation = string(r.shortText())
	}
	if has&hasReplyTo != 0 {
		replyTo = string(r.shortText())
	}
	return replyTo, correlation
}

// reply sends a reply to a request.
func (c *fakeConn) reply(p published, correlation, body string) {
	to, _ := p.asks()
	c.broker.mu.Lock()
	at, ok := c.broker.consumers[to]
	c.broker.mu.Unlock()
	if !ok {
		return
	}
	at.conn.Say(string(concat(
		frameOf(frameMethod, at.channel, concat(be32(60<<16|60), short(at.tag), be64(1), []byte{0}, short(""), short(to))),
		frameOf(frameHeader, at.channel, concat(be32(60<<16), be64(uint64(len(body))), be16(hasCorrelation), short(correlation))),
		frameOf(frameBody, at.channel, []byte(body)))))
}

// answers confirms a request and replies to it.
func (c *fakeConn) answers(p published) {
	_, correlation := p.asks()
	c.confirm(p)
	c.reply(p, correlation, `{"status":"done"}`)
}

// The suite: what goes wrong goes wrong with the request, and the reply comes where nothing does.
func TestReplyConformance(t *testing.T) {
	t.Parallel()
	drivertest.Run(t, drivertest.Subject{Start: func(t testing.TB) drivertest.Target {
		return startTarget(t, Config{Reply: &Reply{}, Connections: 2})
	}})
}

func openReplying(t *testing.T, config Config, on func(*fakeConn, published)) (*reply.Driver, *fakeBroker) {
	t.Helper()
	b := startFake(t)
	b.behave(on)
	config.URL, config.Queue = b.url(), testQueue
	config.Check(func(field, message string) { t.Fatalf("%s: %s", field, message) })
	d, err := config.Open(t.Context(), testEnv(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return d.(*reply.Driver), b
}

// request makes one attempt.
func request(t *testing.T, d *reply.Driver, seq uint64, number int, timeout time.Duration) drivers.Attempt {
	t.Helper()
	var at drivers.Attempt
	at.Reset(number, 0)
	op := drivers.Op{Seq: seq}
	s, err := d.Session()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	s.Do(ctx, &op, &at)
	return at
}

func gauge(d *reply.Driver, name string) (value float64) {
	d.Gauges(func(n string, v float64) {
		if n == name {
			value = v
		}
	})
	return value
}

// What each behaviour of those that reply comes to.
func TestReplies(t *testing.T) {
	t.Parallel()
	checked := attempt{drivers.Indeterminate, drivers.CodeCheck, true, true}
	for name, test := range map[string]struct {
		reply Reply
		on    func(c *fakeConn, p published, correlation string)
		want  attempt
		gauge string
	}{
		"in time":        {Reply{}, func(c *fakeConn, p published, id string) { c.confirm(p); c.reply(p, id, "") }, isAcked, ""},
		"before confirm": {Reply{}, func(c *fakeConn, p published, id string) { c.reply(p, id, ""); c.confirm(p) }, isAcked, ""},
		"no confirm":     {Reply{}, func(c *fakeConn, p published, id string) { c.reply(p, id, "") }, isAcked, ""},
		"never":          {Reply{}, func(c *fakeConn, p published, id string) { c.confirm(p) }, timedOut, ""},
		"foreign":        {Reply{}, func(c *fakeConn, p published, id string) { c.confirm(p); c.reply(p, "other", "") }, timedOut, "replies_foreign"},
		"never sent":     {Reply{}, func(c *fakeConn, p published, id string) { c.confirm(p); c.reply(p, id+"7", "") }, timedOut, "replies_foreign"},
		"no correlation": {Reply{}, func(c *fakeConn, p published, id string) { c.confirm(p); c.reply(p, "", "") }, timedOut, "replies_foreign"},
		"twice":          {Reply{}, func(c *fakeConn, p published, id string) { c.confirm(p); c.reply(p, id, ""); c.reply(p, id, "") }, isAcked, "replies_twice"},
		"nacked":         {Reply{}, func(c *fakeConn, p published, id string) { c.nack(p.channel, p.tag, false) }, isNacked, ""},
		"returned":       {Reply{}, func(c *fakeConn, p published, id string) { c.giveBack(p); c.confirm(p) }, isReturned, ""},
		"matching": {Reply{Fields: reply.Fields{ID: "$.id", Match: map[string]string{"$.status": "ok", "$.id": "{{id}}"}}},
			func(c *fakeConn, p published, id string) {
				c.confirm(p)
				c.reply(p, id, `{"id":"`+id+`","status":"ok"}`)
			}, isAcked, ""},
		"differing": {Reply{Fields: reply.Fields{Match: map[string]string{"$.status": "ok"}}},
			func(c *fakeConn, p published, id string) { c.confirm(p); c.reply(p, id, `{"status":"failed"}`) }, checked, ""},
		"no JSON": {Reply{Fields: reply.Fields{Match: map[string]string{"$.status": "ok"}}},
			func(c *fakeConn, p published, id string) { c.confirm(p); c.reply(p, id, `ok`) }, checked, ""},
		"misdirected": {Reply{Fields: reply.Fields{ID: "$.id"}},
			func(c *fakeConn, p published, id string) { c.confirm(p); c.reply(p, id, `{"id":"`+id+`8"}`) }, checked, "replies_misdirected"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			on := func(c *fakeConn, p published) { _, id := p.asks(); test.on(c, p, id) }
			d, _ := openReplying(t, Config{Reply: &test.reply}, on)
			limit := testPatience
			if test.want == timedOut || name == "no confirm" {
				limit = brief
			}
			at := request(t, d, 3, 1, limit)
			test.want.check(t, at)
			for _, g := range []string{"replies_foreign", "replies_twice", "replies_misdirected", "replies_late"} {
				want := 0.0
				if g == test.gauge {
					want = 1
				}
				eventually(t, g, func() bool { return gauge(d, g) == want })
			}
		})
	}
}

// A reply after its attempt was over is late. One that comes while the next attempt waits answers the operation.
func TestLateReplies(t *testing.T) {
	t.Parallel()
	held := make(chan func(), 10)
	d, _ := openReplying(t, Config{Reply: &Reply{}}, func(c *fakeConn, p published) {
		_, id := p.asks()
		c.confirm(p)
		held <- func() { c.reply(p, id, "") }
	})
	timedOut.check(t, request(t, d, 1, 1, brief))
	late := <-held
	late()
	eventually(t, "the late reply", func() bool { return gauge(d, "replies_late") == 1 })

	timedOut.check(t, request(t, d, 2, 1, brief))
	first := <-held
	go func() { second := <-held; first(); held <- second }()
	isAcked.check(t, request(t, d, 2, 2, testPatience))
	(<-held)() // the reply to the second attempt: one for each transmission
	eventually(t, "the reply to the second attempt", func() bool { return gauge(d, "replies_late") == 2 })
	if n := gauge(d, "replies_twice"); n != 0 {
		t.Errorf("%v came twice, want 0: two transmissions, two replies", n)
	}
}

// The reply queue's connection breaks: the next one takes the replies that come from then on.
func TestReplyConnectionBreaks(t *testing.T) {
	t.Parallel()
	d, b := openReplying(t, Config{Reply: &Reply{}}, (*fakeConn).answers)
	isAcked.check(t, request(t, d, 1, 1, testPatience))
	b.mu.Lock()
	for _, c := range b.consumers {
		c.conn.Cut()
	}
	clear(b.consumers)
	b.mu.Unlock()
	eventually(t, "a new consumer", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.consumers) == 1
	})
	isAcked.check(t, request(t, d, 2, 1, testPatience))
}

// A reply that is larger than any is not kept: its connection ends.
func TestReplyTooLarge(t *testing.T) {
	t.Parallel()
	d, b := openReplying(t, Config{Reply: &Reply{}}, func(c *fakeConn, p published) {
		c.confirm(p)
		to, _ := p.asks()
		c.broker.mu.Lock()
		at := c.broker.consumers[to]
		delete(c.broker.consumers, to)
		c.broker.mu.Unlock()
		at.conn.method(at.channel, 60<<16|60, concat(short(at.tag), be64(1), []byte{0}, short(""), short(to)))
		at.conn.write(frameHeader, at.channel, concat(be32(60<<16), be64(1<<50), be16(0)))
	})
	timedOut.check(t, request(t, d, 1, 1, brief))
	eventually(t, "a new consumer", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.consumers) == 1
	})
}

// Configurations that cannot work name the key.
func TestReplyConfig(t *testing.T) {
	yes := true
	for want, c := range map[string]Config{
		"reply.queue":               {Queue: "a", Reply: &Reply{Queue: "a"}},
		"properties.reply_to":       {Queue: "a", Reply: &Reply{}, Properties: map[string]string{"reply_to": "b"}},
		"properties.correlation_id": {Queue: "a", Reply: &Reply{}, Properties: map[string]string{"correlation_id": "b"}},
		"verify":                    {Queue: "a", Reply: &Reply{}, Verify: &yes},
		"reply.id":                  {Queue: "a", Reply: &Reply{Fields: reply.Fields{ID: "id"}}},
		"reply.match":               {Queue: "a", Reply: &Reply{Fields: reply.Fields{Match: map[string]string{"id": "x"}}}},
	} {
		c.URL = "amqp://127.0.0.1:5672/"
		var got []string
		c.Check(func(field, _ string) { got = append(got, field) })
		if strings.Join(got, " ") != want {
			t.Errorf("problems with %v, want %s", got, want)
		}
	}
	declared := Config{Queue: "a", Declare: &Topology{Queues: map[string]Queue{"a": {}}}, Reply: &Reply{}}
	if declared.verifies() {
		t.Error("the requests are taken away from those that reply to them")
	}
}
