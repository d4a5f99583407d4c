package amqplink

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"wringer/faults/faulttest"
)

// TestConformance: each action passes the suite that every fault passes. Its traffic is one message that a client of its own
// publishes and gets, and a heartbeat of the client's.
func TestConformance(t *testing.T) {
	for _, a := range []Act{
		{LoseConfirms: 1}, {DelayDeliveries: 20 * time.Millisecond}, {CloseChannel: 406}, {Block: true}, {DropHeartbeats: both},
		{Duplicate: 1}, {Duplicate: 1, Redelivered: true}, {Reorder: 1}, {Corrupt: 1},
	} {
		t.Run((&Config{Act: a}).words(), func(t *testing.T) {
			t.Parallel()
			faulttest.Run(t, func(t *testing.T) faulttest.Rig {
				r := newRig(t, newPeer(t, nil).address)
				return faulttest.Rig{Config: &Config{Link: "l", Act: a}, Fault: r.open(t, a), Meet: r.exchange}
			})
		})
	}
}

// exchange publishes two messages and gets them, as they were published.
func (r *rig) exchange(ctx context.Context) error {
	var raw net.Conn
	c, err := amqp.DialConfig("amqp://guest:guest@"+r.address, amqp.Config{Dial: func(network, address string) (net.Conn, error) {
		var err error
		raw, err = net.DialTimeout(network, address, patience)
		return raw, err
	}})
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	if _, err := raw.Write(heartbeat); err != nil { // between two frames of the library: it waits for an answer now
		return err
	}
	ch, err := c.Channel()
	if err != nil {
		return err
	}
	if err := ch.Confirm(false); err != nil {
		return err
	}
	var all []*amqp.DeferredConfirmation
	own := exchanges.Add(1)
	for i := range 2 {
		one, err := ch.PublishWithDeferredConfirm("", "q", false, false, amqp.Publishing{Body: fmt.Append(nil, "exchange ", own, " message ", i)})
		if err != nil {
			return err
		}
		all = append(all, one)
	}
	// The queue holds both before the first is delivered: on a busy machine too, one follows the other at once.
	d, err := ch.Consume("q", "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	tag := uint64(0)
	again := false
	for came := []string{}; len(came) < 2; {
		select {
		case got, open := <-d:
			tag++
			if !open || got.DeliveryTag != tag {
				return fmt.Errorf("open %v, tag %d, want %d", open, got.DeliveryTag, tag)
			}
			if err := got.Ack(false); err != nil {
				return err
			}
			rest, mine := strings.CutPrefix(string(got.Body), fmt.Sprint("exchange ", own, " message "))
			switch {
			case mine && slices.Contains(came, rest), !mine && !strings.HasPrefix(string(got.Body), "exchange "):
				return fmt.Errorf("got %q", got.Body)
			case mine:
				came = append(came, rest)
				again = again || got.Redelivered // the consumer of an exchange that a fault broke off had it first
			}
			if len(came) == 2 && came[0] > came[1] && !again {
				return fmt.Errorf("message %s came before %s", came[0], came[1])
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for _, one := range all {
		if ok, err := one.WaitContext(ctx); err != nil || !ok {
			return errors.Join(errors.New("not confirmed"), err)
		}
	}
	return nil
}

// exchanges numbers them.
var exchanges atomic.Int64

func TestConfigs(t *testing.T) {
	for _, tt := range []struct {
		act            Act
		problem, words string
	}{
		{Act{LoseConfirms: 0.3}, "", "lose 30% of the confirms"},
		{Act{DelayDeliveries: time.Second, Share: 0.1}, "", "delay deliveries by 1s, of 10%"},
		{Act{CloseChannel: 406, First: 2}, "", "close channels with 406, of the first 2"},
		{Act{Duplicate: 0.01, Redelivered: true}, "", "deliver 1% again with the redelivered flag"},
		{Act{}, "amqp", ""},
		{Act{Block: true, Corrupt: 1}, "amqp", "block connections, corrupt 100% of the bodies"},
		{Act{CloseChannel: 320}, "amqp.close_channel", "close channels with 320"},
		{Act{DropHeartbeats: "up"}, "amqp.drop_heartbeats", "drop heartbeats, up"},
		{Act{Reorder: 1, Redelivered: true}, "amqp.redelivered", "deliver 100% out of order"},
		{Act{Block: true, First: 1}, "amqp.first", "block connections, of the first 1"},
		{Act{Corrupt: 0.1, Share: 0.1}, "amqp.share", "corrupt 10% of the bodies, of 10%"},
		{Act{DelayDeliveries: -1, First: 1, Share: 1}, "amqp.first amqp.delay_deliveries", "delay deliveries by -1ns, of the first 1, of 100%"},
	} {
		c := Config{Link: "l", Act: tt.act}
		var fields []string
		c.Check(func(field, message string) { fields = append(fields, field) })
		if got := strings.Join(fields, " "); got != tt.problem {
			t.Errorf("%+v: problems %q, want %q", tt.act, got, tt.problem)
		}
		if got := c.words(); got != tt.words {
			t.Errorf("%+v: %q, want %q", tt.act, got, tt.words)
		}
	}
}

// What is not AMQP 0-9-1 passes unchanged, and a fault that met nothing else says so.
func TestPassesWhatIsNoAMQP(t *testing.T) {
	for _, hello := range []string{"\x16\x03\x01\x02\x00 a TLS hello", "AMQP\x00\x01\x00\x00", "AMQP\x00", "G"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		heard := make(chan string, 1)
		go func() {
			c, err := l.Accept()
			if err != nil {
				heard <- err.Error()
				return
			}
			defer c.Close()
			got, _ := io.ReadAll(c)
			_, _ = io.WriteString(c, "\x15\x03\x01 an answer")
			heard <- string(got)
		}()
		r := newRig(t, l.Addr().String())
		f := r.inject(t, Act{Corrupt: 1})
		c, err := net.Dial("tcp", r.address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, hello)
		_ = c.(*net.TCPConn).CloseWrite()
		if got, err := io.ReadAll(c); string(got) != "\x15\x03\x01 an answer" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		if got := <-heard; got != hello {
			t.Errorf("the target heard %q, want %q", got, hello)
		}
		if b := f.Bite(); b.Bit || !strings.Contains(b.Unmeasured, "not plain AMQP") {
			t.Errorf("%+v", b)
		}
		faulttest.Heal(t, f)
	}
}

func TestHalfClose(t *testing.T) {
	faulttest.HalfCloseOverTLS(t, func(t *testing.T, address string) net.Conn {
		c, err := net.Dial("tcp", newRig(t, address).address)
		if err != nil {
			t.Fatal(err)
		}
		return c
	})
}

// A message of any size passes, whatever the faults; one that is too long is not changed.
func TestLongMessages(t *testing.T) {
	t.Parallel()
	b := &broker{address: newPeer(t, nil).address, login: "guest:guest", queue: "q"}
	r := newRig(t, b.address)
	c := b.dial(t, r, time.Minute)
	out, in := channelOf(t, c), channelOf(t, c)
	f := r.inject(t, Act{Duplicate: 1})
	late := r.inject(t, Act{DelayDeliveries: 5 * time.Millisecond})
	d := b.consume(t, in, false)
	for _, size := range []int{0, 1, maxMessage, maxMessage + 1, 1} {
		long := bytes.Repeat([]byte("x"), size)
		if err := out.PublishWithContext(t.Context(), "", "q", false, false, amqp.Publishing{Body: long}); err != nil {
			t.Fatal(err)
		}
		copies := 2
		if size > maxMessage {
			copies = 1
		}
		for range copies {
			one := next(t, d)
			if !bytes.Equal(one.Body, long) {
				t.Fatalf("%d bytes of %d", len(one.Body), size)
			}
			_ = one.Ack(true)
		}
	}
	if f.Matched() != 4 {
		t.Errorf("%d counted, want 4", f.Matched())
	}
	faulttest.Heal(t, late)
	faulttest.Heal(t, f)
	b.empty(t, in, d)
}

func TestTags(t *testing.T) {
	var tg tags
	give := func(tag uint64, copies int) {
		o := tg.comes(tag)
		for range copies {
			tg.gives(tag, o)
		}
	}
	wants := func(what string, got settlement, multiple bool, tags ...uint64) {
		t.Helper()
		if !slices.Equal(got.tags, tags) || len(tags) > 0 && got.multiple != multiple {
			t.Errorf("%s: %+v, want %v, multiple %v", what, got, tags, multiple)
		}
	}
	give(1, 1)
	give(2, 1)
	wants("unknown, while the numbers are the same", tg.settles(9, false), false, 9)
	give(3, 2) // 3 and 4
	give(4, 1) // 5
	wants("the copy", tg.settles(4, false), false, 3)
	wants("the first, whose copy was settled", tg.settles(3, false), false)
	wants("settled twice", tg.settles(3, false), false, math.MaxInt64)
	wants("all up to 2", tg.settles(2, true), true, 2)
	give(5, 1) // 6
	wants("all", tg.settles(0, true), true, 5)
	wants("all, of none", tg.settles(0, true), true)
	o6, o7 := tg.comes(6), tg.comes(7)
	tg.gives(7, o7) // 7
	wants("all up to the one that came early", tg.settles(7, true), false, 7)
	tg.gives(6, o6) // 8
	wants("the late one", tg.settles(8, true), false, 6)
	give(8, 1) // 9
	tg.forgets()
	wants("forgotten", tg.settles(9, false), false, math.MaxInt64)
	if len(tg.open)+len(tg.atHome) > 0 || tg.settled != tg.given {
		t.Errorf("%+v is left", tg)
	}
}

func TestConfirmsAreLostForGood(t *testing.T) {
	c := newConfirms()
	for range 10 {
		c.publishes()
	}
	drops := func(tags ...uint64) func(uint64) bool {
		return func(tag uint64) bool { return slices.Contains(tags, tag) }
	}
	for _, test := range []struct {
		tag      uint64
		multiple bool
		drops    []uint64
		told     []uint64
		whole    bool
	}{
		{2, true, nil, nil, true},                // as they were
		{5, false, []uint64{5}, nil, false},      // lost
		{6, false, nil, nil, true},               // alone
		{7, true, nil, []uint64{3, 4, 7}, false}, // not 5, which a multiple would confirm
		{8, true, []uint64{8}, nil, false},
		{10, true, nil, []uint64{9, 10}, false},
	} {
		told, whole := c.confirm(test.tag, test.multiple, drops(test.drops...))
		if whole != test.whole || !whole && !slices.Equal(told, test.told) {
			t.Errorf("confirm %d: %v, as it is %v; want %v, %v", test.tag, told, whole, test.told, test.whole)
		}
	}
}

// Whatever either side says, the layer ends, and passes on what it does not understand.
func FuzzFrames(f *testing.F) {
	deliver := frameOf(1, basicDeliver, slices.Concat(shortText("t"), make([]byte, 9), shortText(""), shortText("q"))...)
	content := slices.Concat(contentFrame(headerFrame, 1, []byte{0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0}), contentFrame(bodyFrame, 1, []byte("ab")))
	f.Add([]byte(greeting), []byte("AMQP\x00\x00\x09\x01"))
	f.Add(slices.Concat([]byte(greeting), frameOf(1, channelOpen, 0), frameOf(1, basicAck, make([]byte, 9)...)), slices.Concat(deliver, content, heartbeat))
	f.Add(slices.Concat([]byte(greeting), frameOf(1, channelOpen, 0), frameOf(1, basicPublish, 0, 0, 0, 0, 0), content), frameOf(1, channelClose, 0, 0, 0, 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, says, hears []byte) {
		l := &layer{link: "l"}
		for _, a := range []Act{{Duplicate: 0.5}, {Reorder: 0.5}, {Corrupt: 0.5}, {LoseConfirms: 0.5}, {CloseChannel: 404, Share: 0.1}} {
			fault := &Fault{act: a, layer: l}
			fault.Share, fault.Seed = a.share(), 1
			if err := fault.Inject(t.Context()); err != nil {
				t.Fatal(err)
			}
			defer fault.Heal(t.Context())
		}
		client, near := net.Pipe()
		far, target := net.Pipe()
		done := make(chan struct{})
		go func() { l.Carry(near, far, ""); close(done) }()
		for _, side := range []struct {
			net.Conn
			says []byte
		}{{client, says}, {target, hears}} {
			go func() { _, _ = io.Copy(io.Discard, side.Conn) }()
			go func() { _, _ = side.Write(side.says); side.Close() }()
		}
		<-done
	})
}

func TestFramesAreStrict(t *testing.T) {
	for what, b := range map[string][]byte{
		"an unknown type": {4, 0, 1, 0, 0, 0, 0, frameEnd}, "a method of no size": {1, 0, 1, 0, 0, 0, 0, frameEnd},
		"a body on channel 0": {3, 0, 0, 0, 0, 0, 0, frameEnd}, "a heartbeat on channel 1": {8, 0, 1, 0, 0, 0, 0, frameEnd},
		"a method that is too long": {1, 0, 1, 0, 0x20, 0, 0}, "half a head": {1, 0},
	} {
		if _, err := readHead(bufio.NewReader(bytes.NewReader(b))); !errors.Is(err, errRaw) {
			t.Errorf("%s: %v", what, err)
		}
	}
	bad := frameOf(1, channelOpen, 0)
	bad[len(bad)-1] = 0
	r := bufio.NewReader(bytes.NewReader(bad))
	h, err := readHead(r)
	if err != nil {
		t.Fatal(err)
	}
	if frame, err := readWhole(r, h); !errors.Is(err, errRaw) || frame != nil || r.Buffered() != len(bad) {
		t.Errorf("a frame without its end: %x, %v, %d bytes left", frame, err, r.Buffered())
	}
}
