package amqp

import (
	"testing"

	"wringer/drivers/drivertest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]Config{
		"header":     {},
		"message id": {ID: "message_id", Connections: 2, Channels: 3},
		"body":       {ID: "$.id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			drivertest.Run(t, drivertest.Subject{Start: func(t testing.TB) drivertest.Target { return startTarget(t, config) }})
		})
	}
}

// startTarget starts a broker that misbehaves on demand.
func startTarget(t testing.TB, config Config) drivertest.Target {
	b := startFake(t)
	config.URL, config.Queue = b.url(), testQueue
	answer := (*fakeConn).confirm
	if config.Reply != nil {
		answer = (*fakeConn).answers
	}
	b.behave(answer)
	nobody := false
	return drivertest.Target{
		Config: &config, Received: b.received.Load, Close: b.Close,
		Behave: func(behaviour drivertest.Behaviour) {
			on := behaviours[behaviour]
			if on == nil {
				on = answer
			}
			b.behave(on)
			switch {
			case behaviour == drivertest.Nobody:
				b.Refuse()
				nobody = true
			case nobody:
				b.Listen()
				nobody = false
			}
		},
	}
}

var behaviours = map[drivertest.Behaviour]func(*fakeConn, published){
	drivertest.Reject: func(c *fakeConn, p published) { c.giveBack(p); c.confirm(p) },
	drivertest.Fail:   func(c *fakeConn, p published) { c.nack(p.channel, p.tag, false) },
	drivertest.Hang:   func(*fakeConn, published) {},
	drivertest.Close:  func(c *fakeConn, _ published) { c.Cut() },
	drivertest.Cut: func(c *fakeConn, p published) {
		whole := frameOf(frameMethod, p.channel, concat(be32(basicAck), be64(p.tag), []byte{0}))
		c.Say(string(whole[:len(whole)/2]))
		c.Cut()
	},
	drivertest.Reset:   func(c *fakeConn, _ published) { c.Reset() },
	drivertest.Garbage: func(c *fakeConn, _ published) { c.Garbage() },
	drivertest.Endless: func(c *fakeConn, p published) {
		c.method(p.channel, basicReturn, concat(be16(312), short("NO_ROUTE"), short(""), short(p.key)))
		c.write(frameHeader, p.channel, concat(be32(60<<16), be64(1<<62), be16(0)))
		c.Endless(string(frameOf(frameBody, p.channel, make([]byte, 1000))))
	},
}
