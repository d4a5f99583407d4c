package grpc

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

// The calls under test have five messages each.
func watching(g *target) *Config {
	return &Config{Target: g.address, Method: "test.v1.Inventory/Watch", Message: map[string]any{"orderId": "{{id}}", "quantity": 5},
		Stream: &Stream{Replies: 5, ID: "number"}}
}

func talking(g *target) *Config {
	return &Config{Target: g.address, Method: "test.v1.Inventory/Talk", Message: map[string]any{"orderId": "{{message_id}}", "quantity": "{{message}}"},
		Stream: &Stream{Messages: 5, ID: "text"}}
}

func uploading(g *target) *Config {
	return &Config{Target: g.address, Method: "test.v1.Inventory/Upload", Message: map[string]any{"orderId": "{{id}}", "quantity": "{{message}}"},
		Stream: &Stream{Messages: 5, Count: []string{"number"}}}
}

// converse makes one call to a target in a mode.
func converse(t *testing.T, g *target, c *Config, mode drivertest.Behaviour) drivers.Attempt {
	t.Helper()
	return converseFor(t, g, c, mode, 20*time.Second)
}

// stall converses with a target that falls silent in the middle. The attempt ends at its deadline. On a busy machine
// the deadline may come before the silence. Then stall tries a longer deadline, until the attempt got as far as it
// can.
func stall(t *testing.T, g *target, c *Config, far func(*drivers.Attempt) bool) drivers.Attempt {
	t.Helper()
	for deadline := 300 * time.Millisecond; ; deadline *= 2 {
		if at := converseFor(t, g, c, stalls, deadline); far(&at) || deadline > 5*time.Second {
			return at
		}
	}
}

// hasSent reports whether an attempt has sent n messages.
func hasSent(n int64) func(*drivers.Attempt) bool {
	return func(at *drivers.Attempt) bool { return at.Messages.Sent >= n }
}

func converseFor(t *testing.T, g *target, c *Config, mode drivertest.Behaviour, deadline time.Duration) drivers.Attempt {
	t.Helper()
	d := open(t, c)
	g.mode.Store(mode)
	s, err := d.Session()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	var at drivers.Attempt
	s.Do(ctx, &drivers.Op{Seq: 7}, &at)
	return at
}

// tally is the text of an attempt's counts.
func tally(at *drivers.Attempt) string {
	m := at.Messages
	text := fmt.Sprintf("%s %s sent=%d received=%d", at.Outcome, at.Code, m.Sent, m.Received)
	for _, c := range []struct {
		name string
		n    int64
	}{{"lost", m.Lost}, {"undecided", m.Undecided}, {"duplicated", m.Duplicated}, {"reordered", m.Reordered}, {"unexpected", m.Unexpected}} {
		if c.n > 0 {
			text += fmt.Sprintf(" %s=%d", c.name, c.n)
		}
	}
	return text
}

func TestStreamsThatLie(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		config func(*target) *Config
		mode   drivertest.Behaviour
		want   string // alternatives, separated by |
	}{
		{watching, drivertest.Answer, "acked  sent=1 received=5"},
		{watching, drops, "indeterminate grpc_messages_lost sent=1 received=4 lost=1"},
		{watching, repeats, "acked  sent=1 received=7 duplicated=1"},
		{watching, swaps, "acked  sent=1 received=5 reordered=1"},
		{watching, confuses, "indeterminate grpc_messages_lost sent=1 received=5 lost=1 unexpected=1"},
		{watching, surplus, "acked  sent=1 received=6 unexpected=1"},
		{watching, early, "indeterminate grpc_messages_lost sent=1 received=2 lost=3"},
		{watching, breaks, "indeterminate grpc_aborted sent=1 received=2 undecided=3"},
		{watching, stalls, "indeterminate timeout sent=1 received=2 undecided=3"},
		{watching, spoils, "indeterminate malformed sent=1 received=2 undecided=3"},
		{watching, bloats, "indeterminate too_large sent=1 received=2 undecided=3"},
		{watching, resets, "indeterminate reset sent=1 received=2 undecided=3|indeterminate reset sent=1 received=0 undecided=5|indeterminate reset sent=1 received=1 undecided=4"},
		{talking, drivertest.Answer, "acked  sent=5 received=5"},
		{talking, drops, "indeterminate grpc_messages_lost sent=5 received=4 lost=1"},
		{talking, repeats, "acked  sent=5 received=7 duplicated=1"},
		{talking, swaps, "acked  sent=5 received=5 reordered=1"},
		{talking, confuses, "indeterminate grpc_messages_lost sent=5 received=5 lost=1 unexpected=1"},
		{talking, spoils, "indeterminate malformed sent=5 received=2 undecided=3"},
		{talking, bloats, "indeterminate too_large sent=5 received=2 undecided=3"},
		{talking, stalls, "indeterminate timeout sent=5 received=2 undecided=3"},
		{uploading, drivertest.Answer, "acked  sent=5 received=1"},
		{uploading, drops, "indeterminate grpc_messages_lost sent=5 received=1 lost=1"},
		{uploading, repeats, "acked  sent=5 received=1 unexpected=1"},
		{uploading, stalls, "indeterminate timeout sent=5 received=0"},
	} {
		g := start(t, "v1")
		c := test.config(g)
		t.Run(c.Method+" "+string(test.mode), func(t *testing.T) {
			wanted := func(at *drivers.Attempt) bool { return strings.Contains("|"+test.want+"|", "|"+tally(at)+"|") }
			var at drivers.Attempt
			if test.mode == stalls {
				at = stall(t, g, c, wanted)
			} else {
				at = converse(t, g, c, test.mode)
			}
			if got := tally(&at); !wanted(&at) {
				t.Errorf("got  %s (%s)\nwant %s", got, at.Detail, test.want)
			}
			if (at.Messages.Awaited) == at.Answered {
				t.Errorf("awaited %v, answered %v", at.Messages.Awaited, at.Answered)
			}
			for _, e := range []struct {
				n    int64
				text string
			}{{at.Messages.Lost, at.Messages.Evidence.Lost}, {at.Messages.Duplicated, at.Messages.Evidence.Duplicated},
				{at.Messages.Reordered, at.Messages.Evidence.Reordered}, {at.Messages.Unexpected, at.Messages.Evidence.Unexpected}} {
				if (e.n > 0) != strings.HasPrefix(e.text, "r1.conformance.7: ") {
					t.Errorf("%d with evidence %q", e.n, e.text)
				}
			}
		})
	}
}

// The target says OK before all messages were sent, so it cannot have received them.
func TestEarlyOK(t *testing.T) {
	t.Parallel()
	for _, config := range []func(*target) *Config{talking, uploading} {
		g := start(t, "v1")
		c := config(g)
		c.Stream.Messages, c.Stream.Every = 10, 100*time.Millisecond
		if at := converse(t, g, c, early); at.Outcome != drivers.Indeterminate || at.Code != codeEarly || at.Messages.Lost > 0 {
			t.Errorf("%s: %s", c.Method, tally(&at))
		}
	}
}

// In lockstep no message is sent before the previous one came back.
func TestLockstep(t *testing.T) {
	t.Parallel()
	g := start(t, "v1")
	c := talking(g)
	c.Stream = &Stream{Messages: 5, Lockstep: true}
	if at := converse(t, g, c, drivertest.Answer); tally(&at) != "acked  sent=5 received=5" {
		t.Error(tally(&at))
	}
	if at := stall(t, g, c, hasSent(3)); at.Messages.Sent != 3 || at.Code != drivers.CodeTimeout {
		t.Error(tally(&at))
	}
}

func TestHalfClose(t *testing.T) {
	t.Parallel()
	for _, when := range []string{halfCloseSent, halfCloseReplies, halfCloseNever} {
		g := start(t, "v1")
		c := talking(g)
		c.Stream.HalfClose = when
		if at := converse(t, g, c, drivertest.Answer); tally(&at) != "acked  sent=5 received=5" || !at.Answered {
			t.Errorf("%s: %s", when, tally(&at))
		}
		// Without the last message the target never learns that it may end.
		if at := stall(t, g, c, hasSent(5)); at.Code != drivers.CodeTimeout {
			t.Errorf("%s: %s", when, tally(&at))
		}
	}
}

func TestMessagesInTurnAndPaced(t *testing.T) {
	g := start(t, "v1")
	c := talking(g)
	c.Message = []any{map[string]any{"quantity": 0, "orderId": "{{message_id}}"}, map[string]any{"quantity": 1, "orderId": "{{message_id}}"}}
	c.Stream = &Stream{Messages: 4, Every: time.Millisecond, ID: "text"}
	at := converse(t, g, c, drivertest.Answer)
	if tally(&at) != "acked  sent=4 received=4" || len(at.Messages.Gaps) != 3 || at.Messages.First <= 0 {
		t.Errorf("%s, first after %v, gaps %v", tally(&at), at.Messages.First, at.Messages.Gaps)
	}
}

func TestTooManyMessages(t *testing.T) {
	g := start(t, "v1")
	c := watching(g)
	c.Message = map[string]any{"quantity": 100}
	c.Stream = &Stream{MaxReplies: 10}
	if at := converse(t, g, c, drivertest.Answer); at.Code != drivers.CodeTooLarge || at.Messages.Received != 10 {
		t.Errorf("%s: %s", tally(&at), at.Detail)
	}
}

// A stream with an unknown number of messages still shows gaps.
func TestHolesOfAnUnknownNumber(t *testing.T) {
	g := start(t, "v1")
	c := watching(g)
	c.Stream = &Stream{ID: "number"}
	if at := converse(t, g, c, drops); at.Messages.Lost != 1 || at.Code != codeLost {
		t.Error(tally(&at))
	}
}

func TestStreamConformance(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]func(*target) *Config{"server": watching, "bidirectional": talking, "client": uploading} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			drivertest.Run(t, drivertest.Subject{Start: func(t testing.TB) drivertest.Target {
				g := startTarget(t, []string{"v1"})
				return drivertest.Target{Config: config(g), Behave: g.behave(t), Received: g.received.Load, Close: g.close}
			}})
		})
	}
}

func TestStreamProblems(t *testing.T) {
	g := start(t, "v1")
	for _, test := range []struct {
		name   string
		config func(*target) *Config
		stream Stream
		want   string
	}{
		{"negative", talking, Stream{Messages: -1}, "stream.messages: -1"},
		{"half-close", talking, Stream{HalfClose: "later"}, "not one of sent, replies, never"},
		{"half-close for nothing", talking, Stream{HalfClose: "never"}, "say how many there are with replies"},
		{"bound", watching, Stream{Replies: 20, MaxReplies: 10}, "beyond max_replies"},
		{"default bound", watching, Stream{Replies: 20_000}, "raise max_replies"},
		{"first", watching, Stream{First: 1}, "goes with id"},
		{"both", uploading, Stream{ID: "number", Count: []string{"number"}}, "stands beside id"},
		{"one message", watching, Stream{Messages: 2}, "stream.messages: test.v1.Inventory.Watch sends one message"},
		{"one reply", uploading, Stream{ID: "number"}, "stream.id: test.v1.Inventory.Upload receives one message"},
		{"count of a stream", talking, Stream{Count: []string{"number"}}, "stream.count: test.v1.Inventory.Talk answers with a stream"},
		{"count of text", uploading, Stream{Count: []string{"text"}}, "is no number"},
		{"no field", watching, Stream{ID: "nope"}, "test.v1.ReserveReply has no field nope; it has inner, many, number"},
		{"list", watching, Stream{ID: "many"}, "holds many values"},
		{"no message", watching, Stream{ID: "text.x"}, "text is no message"},
		{"message", watching, Stream{ID: "inner"}, "name a whole number or a text"},
		{"bool", watching, Stream{ID: "inner.ok"}, "name a whole number or a text"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := test.config(g)
			c.Stream = &test.stream
			d, err := c.Open(t.Context(), drivertest.NewEnv(t, time.Now()))
			if err == nil {
				d.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	c := reserve(g)
	c.Stream = &Stream{}
	if _, err := c.Open(t.Context(), drivertest.NewEnv(t, time.Now())); err == nil || !strings.Contains(err.Error(), "does not stream") {
		t.Errorf("unary: %v", err)
	}
}
