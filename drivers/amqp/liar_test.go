package amqp

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest"
	"wringer/drivers/drivertest/tier"
)

// attempt is what a test expects of an attempt.
type attempt struct {
	outcome  drivers.Outcome
	code     string
	answered bool
	wire     bool
}

func (want attempt) check(t *testing.T, at drivers.Attempt) {
	t.Helper()
	if got := (attempt{at.Outcome, at.Code, at.Answered, at.Wire}); got != want {
		t.Errorf("%+v (%s), want %+v", got, at.Detail, want)
	}
}

var (
	isAcked     = attempt{drivers.Acked, "", true, true}
	isNacked    = attempt{drivers.Indeterminate, codeNack, true, true}
	isMalformed = attempt{drivers.Indeterminate, drivers.CodeMalformed, false, true}
	isReturned  = attempt{drivers.Rejected, "amqp_no_route", true, true}
	timedOut    = attempt{drivers.Indeterminate, drivers.CodeTimeout, false, true}
)

func unansweredBy(code string) attempt { return attempt{drivers.Indeterminate, code, false, true} }

// brief is the time of an attempt that only its time ends.
const brief = 300 * time.Millisecond

// A broker that lies: what each attempt of three comes to.
func TestLies(t *testing.T) {
	t.Parallel()
	third := func(do func(*fakeConn, published)) func(*fakeConn, published) {
		return func(c *fakeConn, p published) {
			if p.tag == 3 {
				do(c, p)
			}
		}
	}
	for name, test := range map[string]struct {
		on   func(*fakeConn, published)
		want [3]attempt
	}{
		"nacks":                        {func(c *fakeConn, p published) { c.nack(p.channel, p.tag, false) }, [3]attempt{isNacked, isNacked, isNacked}},
		"acks up to the last":          {third(func(c *fakeConn, p published) { c.ack(p.channel, 3, true) }), [3]attempt{isAcked, isAcked, isAcked}},
		"nacks up to the last":         {third(func(c *fakeConn, p published) { c.nack(p.channel, 3, true) }), [3]attempt{isNacked, isNacked, isNacked}},
		"acks in another order":        {third(func(c *fakeConn, p published) { c.ack(1, 2, false); c.nack(1, 3, false); c.ack(1, 1, false) }), [3]attempt{isAcked, isAcked, isNacked}},
		"acks the second alone":        {third(func(c *fakeConn, p published) { c.ack(p.channel, 2, false) }), [3]attempt{timedOut, isAcked, timedOut}},
		"acks what was not published":  {third(func(c *fakeConn, p published) { c.ack(p.channel, 4, false) }), [3]attempt{isMalformed, isMalformed, isMalformed}},
		"acks far beyond":              {third(func(c *fakeConn, p published) { c.ack(p.channel, 1<<63, true) }), [3]attempt{isMalformed, isMalformed, isMalformed}},
		"acks tag 0":                   {third(func(c *fakeConn, p published) { c.ack(p.channel, 0, true) }), [3]attempt{isMalformed, isMalformed, isMalformed}},
		"acks another channel":         {third(func(c *fakeConn, p published) { c.ack(7, 1, false) }), [3]attempt{isMalformed, isMalformed, isMalformed}},
		"acks twice":                   {func(c *fakeConn, p published) { c.confirm(p); c.confirm(p) }, [3]attempt{isAcked, isAcked, isAcked}},
		"acks, then nacks":             {func(c *fakeConn, p published) { c.confirm(p); c.nack(p.channel, p.tag, false) }, [3]attempt{isAcked, isAcked, isAcked}},
		"nacks, then acks":             {func(c *fakeConn, p published) { c.nack(p.channel, p.tag, false); c.confirm(p) }, [3]attempt{isNacked, isNacked, isNacked}},
		"never confirms":               {func(*fakeConn, published) {}, [3]attempt{timedOut, timedOut, timedOut}},
		"returns, then acks":           {func(c *fakeConn, p published) { c.giveBack(p); c.confirm(p) }, [3]attempt{isReturned, isReturned, isReturned}},
		"returns, then nacks":          {func(c *fakeConn, p published) { c.giveBack(p); c.nack(p.channel, p.tag, false) }, [3]attempt{isReturned, isReturned, isReturned}},
		"returns the second, acks all": {func(c *fakeConn, p published) { giveBackSecond(c, p) }, [3]attempt{isAcked, isReturned, isAcked}},
		"acks, then returns":           {func(c *fakeConn, p published) { c.confirm(p); c.giveBack(p) }, [3]attempt{isAcked, isAcked, isAcked}},
		"returns a stranger's": {third(func(c *fakeConn, p published) {
			p.header = concat(be32(60<<16), be64(uint64(len(p.body))), be16(0))
			c.giveBack(p)
		}), [3]attempt{isMalformed, isMalformed, isMalformed}},
		"returns content alone": {third(func(c *fakeConn, p published) { c.write(frameBody, p.channel, p.body) }), [3]attempt{isMalformed, isMalformed, isMalformed}},
		"closes the connection": {third(func(c *fakeConn, p published) {
			c.method(0, connectionClose, concat(be16(320), short("CONNECTION_FORCED"), be32(0)))
		}), [3]attempt{unansweredBy("amqp_connection_forced"), unansweredBy("amqp_connection_forced"), unansweredBy("amqp_connection_forced")}},
		"closes the channel":           {third(func(c *fakeConn, p published) { c.closeChannel(p.channel, refusal{504, "CHANNEL_ERROR"}, basicPublish) }), [3]attempt{unansweredBy("amqp_channel_error"), unansweredBy("amqp_channel_error"), unansweredBy("amqp_channel_error")}},
		"closes it for another reason": {third(func(c *fakeConn, p published) { c.closeChannel(p.channel, refusal{404, "NOT_FOUND"}, 0) }), [3]attempt{unansweredBy("amqp_not_found"), unansweredBy("amqp_not_found"), unansweredBy("amqp_not_found")}},
		"refuses a publish": {third(func(c *fakeConn, p published) {
			c.closeChannel(p.channel, refusal{403, "ACCESS_REFUSED"}, basicPublish)
		}), [3]attempt{unansweredBy("amqp_access_refused"), unansweredBy("amqp_access_refused"), {drivers.Rejected, "amqp_access_refused", true, true}}},
		"acks the first, then vanishes": {third(func(c *fakeConn, p published) { c.ack(p.channel, 1, false); c.Cut() }), [3]attempt{isAcked, unansweredBy(drivers.CodeClosed), unansweredBy(drivers.CodeClosed)}},
		"half an ack":                   {third(func(c *fakeConn, p published) { c.Say("\x01\x00\x01\x00\x00\x00\x0d\x00\x3c"); c.Cut() }), [3]attempt{unansweredBy(drivers.CodeClosed), unansweredBy(drivers.CodeClosed), unansweredBy(drivers.CodeClosed)}},
		"a frame without its end": {third(func(c *fakeConn, p published) {
			c.Say("\x01\x00\x01\x00\x00\x00\x0d\x00\x3c\x00\x50\x00\x00\x00\x00\x00\x00\x00\x03\x01\x00")
		}), [3]attempt{isMalformed, isMalformed, isMalformed}},
		"an unknown method": {third(func(c *fakeConn, p published) { c.method(p.channel, 99<<16|99, nil) }), [3]attempt{isMalformed, isMalformed, isMalformed}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startFake(t)
			d := openDriver(t, Config{URL: b.url(), Queue: testQueue}, testEnv(t))
			b.behave(test.on)
			timeout := testPatience
			for _, want := range test.want {
				if want == timedOut {
					timeout = brief
				}
			}
			for i, at := range outcomes(t, send(t, d, 0, 3, timeout)) {
				test.want[i].check(t, at)
			}
			b.behave((*fakeConn).confirm)
			eventually(t, "an ack once the broker is honest", func() bool { return outcomes(t, send(t, d, 10, 1, testPatience))[0].Outcome == drivers.Acked })
		})
	}
}

// giveBackSecond returns the second of three messages, and acks all three at once.
func giveBackSecond(c *fakeConn, p published) {
	switch p.tag {
	case 2:
		c.giveBack(p)
	case 3:
		c.ack(p.channel, 3, true)
	}
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(testPatience); !is(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// A broker acks a tag before its message is published. When the message comes, the ack is not believed.
func TestAckAhead(t *testing.T) {
	t.Parallel()
	b := startFake(t)
	d := openDriver(t, Config{URL: b.url(), Queue: testQueue}, testEnv(t))
	b.behave(func(c *fakeConn, p published) { c.ack(p.channel, p.tag+1, false) })
	for _, at := range outcomes(t, send(t, d, 0, 1, testPatience)) {
		isMalformed.check(t, at)
	}
	b.behave(func(*fakeConn, published) {})
	for _, at := range outcomes(t, send(t, d, 1, 2, brief)) {
		timedOut.check(t, at)
	}
}

// After a refused publish the driver sends one message at a time, so that each refusal is known to be one.
func TestRefusedOneByOne(t *testing.T) {
	t.Parallel()
	b := startFake(t)
	d := openDriver(t, Config{URL: b.url(), Queue: testQueue}, testEnv(t))
	b.behave(func(c *fakeConn, p published) {
		c.closeChannel(p.channel, refusal{403, "ACCESS_REFUSED"}, basicPublish)
	})
	outcomes(t, send(t, d, 0, 1, testPatience))
	for _, at := range outcomes(t, send(t, d, 1, 20, testPatience)) {
		attempt{drivers.Rejected, "amqp_access_refused", true, true}.check(t, at)
	}
}

// While the broker blocks publishers or pauses the channel, messages wait. They were not sent when their time is over.
func TestBlocked(t *testing.T) {
	t.Parallel()
	for name, control := range map[string]struct{ stop, start func(*fakeConn) }{
		"connection": {func(c *fakeConn) { c.method(0, connectionBlocked, short("low on memory")) }, func(c *fakeConn) { c.method(0, connectionUnblocked, nil) }},
		"channel":    {func(c *fakeConn) { c.method(1, channelFlow, []byte{0}) }, func(c *fakeConn) { c.method(1, channelFlow, []byte{1}) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startFake(t)
			conns := make(chan *fakeConn, 1)
			b.behave(func(c *fakeConn, p published) { conns <- c; control.stop(c); c.confirm(p) })
			d := openDriver(t, Config{URL: b.url(), Queue: testQueue}, testEnv(t))
			isAcked.check(t, outcomes(t, send(t, d, 0, 1, testPatience))[0])
			b.behave((*fakeConn).confirm)
			attempt{drivers.Rejected, codeBlocked, false, false}.check(t, outcomes(t, send(t, d, 1, 1, brief))[0])
			later := send(t, d, 2, 1, testPatience)
			gauges := make(map[string]float64)
			d.Gauges(func(name string, v float64) { gauges[name] = v })
			if want := map[string]float64{"connection": 1}[name]; gauges["blocked"] != want {
				t.Errorf("%v connections are blocked, want %v", gauges["blocked"], want)
			}
			control.start(<-conns)
			isAcked.check(t, outcomes(t, later)[0])
			blocks := d.Blocks()
			if want := map[string]int{"connection": 1}[name]; len(blocks) != want {
				t.Errorf("blocks: %+v", blocks)
			}
			for _, one := range blocks {
				if one.Why != "low on memory" || one.Connection != 1 || !one.Over || one.To < one.From {
					t.Errorf("block %+v", one)
				}
			}
			if got := b.received.Load(); got != 2 {
				t.Errorf("the broker received %d messages, want 2", got)
			}
		})
	}
}

// A broker promises heartbeats and sends none. The connection is given up; what was sent may have been taken.
func TestNoHeartbeats(t *testing.T) {
	tier.Slow(t, "waits for heartbeats of a second")
	t.Parallel()
	b := startFake(t)
	b.heartbeat = 1
	b.behave(func(*fakeConn, published) {})
	d := openDriver(t, Config{URL: b.url(), Queue: testQueue, Heartbeat: time.Second}, testEnv(t))
	unansweredBy(drivers.CodeTimeout).check(t, outcomes(t, send(t, d, 0, 1, testPatience))[0])
}

// The exchange goes away. What was sent is not known; what follows is rejected before it is sent, until the exchange is back.
func TestExchangeGone(t *testing.T) {
	t.Parallel()
	b := startFake(t)
	d := openDriver(t, Config{URL: b.url(), Exchange: "events"}, testEnv(t))
	isAcked.check(t, outcomes(t, send(t, d, 0, 1, testPatience))[0])
	b.refuses(40<<16|10, refusal{404, "NOT_FOUND - no exchange 'events'"})
	b.behave(func(c *fakeConn, p published) { c.closeChannel(p.channel, refusal{404, "NOT_FOUND"}, basicPublish) })
	outcomes(t, send(t, d, 1, 1, testPatience))
	received := b.received.Load()
	attempt{drivers.Rejected, "amqp_not_found", false, false}.check(t, outcomes(t, send(t, d, 2, 1, testPatience))[0])
	if b.received.Load() != received {
		t.Error("a message was sent to an exchange that is known to be absent")
	}
	b.accepts(40<<16 | 10)
	b.behave((*fakeConn).confirm)
	eventually(t, "the exchange to be found again", func() bool { return outcomes(t, send(t, d, 3, 1, testPatience))[0].Outcome == drivers.Acked })
}

// truths are what a broker did with messages, by operation and attempt.
type truths struct {
	mu  sync.Mutex
	all map[string]bool // acked, by identity
}

// A broker acks, nacks, returns, forgets, and ends channels and connections at random. An operation is acked exactly if the broker
// acked it; a returned one is rejected.
func TestRandomLies(t *testing.T) {
	t.Parallel()
	for seed := range uint64(tier.Rounds(t, 20, 4)) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			randomLies(t, rand.New(rand.NewPCG(seed, 1)))
		})
	}
}

func randomLies(t *testing.T, rng *rand.Rand) {
	const batches, batch = 6, 50
	b := startFake(t)
	d := openDriver(t, Config{URL: b.url(), Queue: testQueue, Connections: 1 + rng.IntN(2), Channels: 1 + rng.IntN(3)}, testEnv(t))
	truth := truths{all: make(map[string]bool)}
	open := make(map[*fakeConn]map[uint16]map[uint64]string) // identities that await a confirm
	fates := make(map[string]string)
	b.behave(func(c *fakeConn, p published) {
		truth.mu.Lock()
		defer truth.mu.Unlock()
		if open[c] == nil {
			open[c] = make(map[uint16]map[uint64]string)
		}
		if open[c][p.channel] == nil || p.tag == 1 {
			open[c][p.channel] = make(map[uint64]string)
		}
		_, properties, err := readContentHeader(p.header)
		if err != nil {
			t.Error(err)
		}
		id := string(properties.id)
		waiting := open[c][p.channel]
		waiting[p.tag] = id
		switch rng.IntN(40) {
		default:
			truth.all[id] = c.ack(p.channel, p.tag, false)
			delete(waiting, p.tag)
		case 1, 2, 3:
			fates[id] = "nacked"
			c.nack(p.channel, p.tag, false)
			delete(waiting, p.tag)
		case 4, 5, 6:
			fates[id] = "returned"
			c.giveBack(p)
		case 7, 8, 9, 10: // forgotten, until an ack of several
		case 11, 12, 13:
			for tag, other := range waiting {
				if fates[other] == "" {
					truth.all[other] = true
				}
				delete(waiting, tag)
			}
			c.ack(p.channel, p.tag, true)
		case 14:
			c.closeChannel(p.channel, refusal{406, "PRECONDITION_FAILED"}, 0)
			delete(open[c], p.channel)
		case 15:
			c.HalfClose()
			delete(open, c)
		}
	})
	var all []drivers.Attempt
	for range batches {
		all = append(all, outcomes(t, send(t, d, uint64(len(all)), batch, brief))...)
	}
	acked := 0
	for i, at := range all {
		id := d.env.Identity.Text(uint64(i))
		truth.mu.Lock()
		did, fate := truth.all[id], fates[id]
		truth.mu.Unlock()
		switch {
		case at.Outcome == drivers.Acked && !did:
			t.Errorf("operation %d is acked, and the broker did not ack it (%s)", i, fate)
		case at.Outcome == drivers.Rejected && (at.Answered != (fate == "returned") || did):
			t.Errorf("operation %d is rejected: %+v, and its fate is %q", i, at, fate)
		case at.Code == codeNack && fate != "nacked":
			t.Errorf("operation %d is told as nacked, and its fate is %q", i, fate)
		}
		if at.Outcome == drivers.Acked {
			acked++
		}
	}
	if acked == 0 {
		t.Error("nothing was acked")
	}
}

// What the handshake says of a broker that refuses or misbehaves.
func TestHandshakeRefused(t *testing.T) {
	t.Parallel()
	start := string(frameOf(frameMethod, 0, concat(be32(10<<16|10), []byte{0, 9}, long(""), long("PLAIN"), long("en_US"))))
	for name, test := range map[string]struct {
		script func(*drivertest.RawConn)
		is     error
		says   string
	}{
		"closes at the login": {func(c *drivertest.RawConn) { c.Skip(8); c.Say(start); c.Some() }, drivers.ErrConfig, "refuses"},
		"no such vhost": {func(c *drivertest.RawConn) {
			c.Skip(8)
			c.Say(start)
			c.Some()
			c.Say(string(frameOf(frameMethod, 0, concat(be32(connectionClose), be16(530), short("NOT_ALLOWED - vhost x not found"), be32(0)))))
			c.Hang()
		}, drivers.ErrConfig, "vhost x not found"},
		"another protocol":      {func(c *drivertest.RawConn) { c.Say("SSH-2.0-OpenSSH_9.2\r\n"); c.Hang() }, drivers.ErrUnreachable, ""},
		"closes at once":        {func(c *drivertest.RawConn) {}, drivers.ErrUnreachable, ""},
		"another version":       {func(c *drivertest.RawConn) { c.Skip(8); c.Say("AMQP\x00\x01\x00\x00") }, drivers.ErrUnreachable, ""},
		"two starts and no end": {func(c *drivertest.RawConn) { c.Skip(8); c.Say(start + start + start); c.Hang() }, drivers.ErrUnreachable, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := drivertest.ServeRaw(t, test.script)
			env := testEnv(t)
			env.Timeout = leastPatience
			config := Config{URL: "amqp://me:secret-word@" + server.Address() + "/x", Queue: testQueue}
			dialer, err := config.access().dialer("")
			if err != nil {
				t.Fatal(err)
			}
			c := newControl(dialer, env.Direct, env.Timeout)
			defer c.close()
			err = c.do(nil)
			if err == nil || !strings.Contains(fmt.Sprint(err), test.says) || strings.Contains(err.Error(), "secret-word") {
				t.Fatalf("%v, want %q", err, test.says)
			}
			if got := refusedConfig(err); got != (test.is == drivers.ErrConfig) {
				t.Errorf("%v is blamed on the scenario: %v", err, got)
			}
		})
	}
}
