package amqp

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers"
	"wringer/drivers/drivertest/rabbit"
)

// kept is a journal of a test.
type kept struct {
	mu   sync.Mutex
	data []json.RawMessage
	left int
}

func (k *kept) due(kind, what string, data any) (func() error, error) {
	raw, err := json.Marshal(data)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.data, k.left = append(k.data, raw), k.left+1
	return sync.OnceValue(func() error {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.left--
		return nil
	}), errors.Join(err, map[bool]error{true: errors.New("another kind")}[kind != UndoKind])
}

// What a killed run made is removed by its journal: the queues and exchanges that it made, and nothing else.
func TestRealUndo(t *testing.T) {
	url := rabbit.URL(t)
	c := realControl(t, url)
	exchange, old := freshName("exchange"), freshName("old")
	before, err := c.declare(&Topology{Queues: map[string]Queue{old: {}}})
	if err != nil {
		t.Fatal(err)
	}
	topology := &Topology{Exchanges: map[string]Exchange{exchange: {Type: "topic"}}, Queues: map[string]Queue{old: {}}}
	var own []string
	for _, q := range []Queue{{}, {Type: typeQuorum}, {Type: typeStream}, {Arguments: map[string]any{"x-max-length": 100, "x-message-ttl": 60000}}} {
		name := freshName("queue")
		q.Bind = []Binding{{Exchange: exchange, RoutingKey: "#"}}
		own, topology.Queues[name] = append(own, name), q
	}
	journal := &kept{}
	env := testEnv(t)
	env.Due = journal.due
	d, err := (&Config{URL: url, Exchange: exchange, Declare: topology}).Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	if journal.left != len(own)+1 {
		t.Errorf("%d entries, want one for each of %d queues, and the exchange's", journal.left, len(own))
	}
	undo := func() (failed error) {
		for i := len(journal.data) - 1; i >= 0; i-- {
			failed = errors.Join(failed, Undo(t.Context(), journal.data[i]))
		}
		return failed
	}
	// While others use a queue, it stays, and so does its exchange.
	consumer, err := library.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	ch, err := consumer.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ch.Consume(own[0], "", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if err := undo(); !errors.Is(err, errOthers) || !strings.Contains(err.Error(), own[0]) || strings.Contains(err.Error(), own[1]) {
		t.Errorf("a queue that is in use: %v", err)
	}
	consumer.Close()
	for range 2 {
		if err := undo(); err != nil {
			t.Errorf("undo: %v", err)
		}
	}
	for _, name := range own {
		if _, err := c.inspect(name); !isAbsent(err) {
			t.Errorf("%s is still there: %v", name, err)
		}
	}
	if there, err := c.exchangeExists(exchange); there || err != nil {
		t.Errorf("the exchange is still there: %v, %v", there, err)
	}
	if _, err := c.inspect(old); err != nil {
		t.Errorf("the queue that was there before: %v", err)
	}
	// A queue of the same name that is made otherwise is another's.
	others, err := c.declare(&Topology{Queues: map[string]Queue{own[0]: {Arguments: map[string]any{"x-max-length": 3}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := undo(); !errors.Is(err, errOthers) {
		t.Errorf("a queue of another's: %v", err)
	}
	if err := errors.Join(c.remove(others), c.remove(before), d.Close()); err != nil {
		t.Error(err)
	}
	if journal.left != 0 {
		t.Errorf("%d entries are left after the end", journal.left)
	}
}

// A password of the scenario's text is in no journal: the undo asks for it.
func TestUndoPassword(t *testing.T) {
	b := startFake(t)
	b.refuses(50<<16|10, refusal{404, "NOT_FOUND"})
	for _, sasl := range []*SASL{nil, {User: "u", Password: "another-word"}} {
		os.Unsetenv(PasswordVariable)
		a := access{url: b.url(), sasl: sasl}
		secret := "secret-word"
		if sasl != nil {
			a.url, secret = withoutUser(a.url), sasl.Password
		}
		journal := &kept{}
		n := newNotes(drivers.Env{Due: journal.due}, a)
		if _, err := n.queue("q", Queue{}); err != nil {
			t.Fatal(err)
		}
		hidden := json.RawMessage(strings.ReplaceAll(string(journal.data[0]), secret, concealed))
		if err := Undo(t.Context(), hidden); err == nil || !strings.Contains(err.Error(), PasswordVariable) {
			t.Errorf("%v, want the name of the variable", err)
		}
		t.Setenv(PasswordVariable, secret)
		if err := Undo(t.Context(), hidden); err != nil {
			t.Error(err)
		}
		b.mu.Lock()
		if last := b.logins[len(b.logins)-1]; !strings.HasSuffix(last, "\x00"+secret) {
			t.Errorf("logged in by %q", last)
		}
		b.mu.Unlock()
	}
}
