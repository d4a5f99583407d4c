package reply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

// post is a publisher whose publishes a test ends, and an inbox whose replies a test sends.
type post struct {
	mu      sync.Mutex
	sent    []func(set func(*drivers.Attempt))
	replies chan *Reply
	fail    chan error
	closed  bool
}

func newPost() *post { return &post{replies: make(chan *Reply), fail: make(chan error)} }

func (p *post) Send(_ context.Context, _ *drivers.Op, at *drivers.Attempt, done func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, func(set func(*drivers.Attempt)) { set(at); done() })
}

// end ends the publish of the n-th attempt.
func (p *post) end(n int, set func(*drivers.Attempt)) {
	p.mu.Lock()
	end := p.sent[n]
	p.mu.Unlock()
	end(set)
}

func taken(at *drivers.Attempt) { at.Outcome, at.Wire, at.Answered = drivers.Acked, true, true }

func never(at *drivers.Attempt) { at.Fail(drivers.Rejected, drivers.CodeRefused, "never left") }

func (p *post) Flush(context.Context) error                      { return nil }
func (p *post) Session() (drivers.Session, error)                { return nil, nil }
func (p *post) Gauges(func(string, float64))                     {}
func (p *post) Source() (drivers.Source, error)                  { return nil, nil }
func (p *post) Producers() uint64                                { return 1 }
func (p *post) Peers(context.Context) (map[string]string, error) { return nil, nil }
func (p *post) Resolve(context.Context, string) (string, error)  { return "", nil }
func (p *post) Close() error                                     { p.closed = true; return nil }
func (p *post) Receive(ctx context.Context, each func(*Reply)) error {
	for {
		select {
		case r := <-p.replies:
			each(r)
		case err := <-p.fail:
			return err
		case <-ctx.Done():
			return nil
		}
	}
}

// rig is a driver on a post.
type rig struct {
	*Driver
	t    *testing.T
	post *post
	env  drivers.Env
}

// virtual runs a test in virtual time.
func virtual(t *testing.T, test func(r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		p := newPost()
		env := drivertest.NewEnv(t, time.Now())
		d, err := Open(p, p, Fields{}, env)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		test(&rig{d, t, p, env})
	})
}

// try begins an attempt. over is closed once it was handed back.
func (r *rig) try(seq uint64, number int) (at *drivers.Attempt, over chan struct{}) {
	at, over = new(drivers.Attempt), make(chan struct{})
	at.Reset(number, r.env.Clock())
	at.Timeout = time.Second
	r.Send(r.t.Context(), &drivers.Op{Seq: seq}, at, func() { close(over) })
	return at, over
}

func (r *rig) reply(seq uint64) {
	r.post.replies <- &Reply{Correlation: []byte(r.env.Identity.Text(seq)), At: r.env.Clock()}
	synctest.Wait()
}

func (r *rig) want(counts counts) {
	r.t.Helper()
	if r.counts != counts {
		r.t.Errorf("%+v, want %+v", r.counts, counts)
	}
}

// Each count of a reply that should not be is a counter, so that gates read what was added in their window.
func TestDescribe(t *testing.T) {
	var d drivers.Description
	Describe(&d)
	for _, name := range d.Anomalies {
		if !slices.Contains(d.Counters, name) || !slices.Contains(d.Gauges, name) {
			t.Errorf("%s is no counter among the gauges: %+v", name, d)
		}
	}
	if slices.Contains(d.Counters, "awaiting_reply") || len(d.Anomalies) != 3 {
		t.Errorf("%+v", d)
	}
}

// The response time of an operation ends with its reply, also where the confirm comes later or never.
func TestResponseTime(t *testing.T) {
	virtual(t, func(r *rig) {
		at, over := r.try(1, 1)
		time.Sleep(300 * time.Millisecond)
		r.reply(1)
		time.Sleep(time.Second)
		r.post.end(0, func(at *drivers.Attempt) {
			at.Wire = true
			at.Fail(drivers.Indeterminate, drivers.CodeTimeout, "no confirm")
		})
		<-over
		if at.Outcome != drivers.Acked || at.Code != "" || at.Done != 300*time.Millisecond {
			t.Errorf("%v, code %q, done at %v", at.Outcome, at.Code, at.Done)
		}
		r.want(counts{})
	})
}

// A reply to an earlier attempt answers no attempt that never left.
func TestReplyToAnAttemptBefore(t *testing.T) {
	virtual(t, func(r *rig) {
		_, over := r.try(1, 1)
		r.post.end(0, taken)
		<-over // in virtual time, by its deadline
		at, over := r.try(1, 2)
		r.reply(1)
		r.post.end(1, never)
		<-over
		if at.Outcome != drivers.Rejected || at.Wire || at.Answered {
			t.Errorf("%v, wire %v, answered %v", at.Outcome, at.Wire, at.Answered)
		}
		r.want(counts{late: 1})
	})
}

// What is read anew is counted anew, and answers nothing twice.
func TestAnew(t *testing.T) {
	virtual(t, func(r *rig) {
		_, over := r.try(1, 1)
		r.post.end(0, taken)
		r.reply(1)
		<-over
		r.reply(1)
		r.want(counts{twice: 1})
		r.post.replies <- &Reply{Anew: true}
		r.reply(1)
		r.want(counts{})
		r.reply(1)
		r.want(counts{twice: 1})
	})
}

// When no replies are read any more, the attempts say why they end.
func TestNoMoreReplies(t *testing.T) {
	virtual(t, func(r *rig) {
		r.post.fail <- errors.New("the topic is gone")
		synctest.Wait()
		at, over := r.try(1, 1)
		r.post.end(0, taken)
		<-over
		if at.Outcome != drivers.Indeterminate || at.Answered || at.Detail != "the request was published, and no reply came in time: no replies are read: the topic is gone" {
			t.Errorf("%v, answered %v: %s", at.Outcome, at.Answered, at.Detail)
		}
	})
}

// Flush waits for the replies. Close ends what waits, and both halves.
func TestFlushAndClose(t *testing.T) {
	virtual(t, func(r *rig) {
		_, over := r.try(1, 1)
		r.post.end(0, taken)
		flushed := make(chan error, 1)
		go func() { flushed <- r.Flush(context.Background()) }()
		synctest.Wait()
		select {
		case <-flushed:
			t.Fatal("flushed while a reply was awaited")
		default:
		}
		r.reply(1)
		<-over
		if err := <-flushed; err != nil {
			t.Error(err)
		}
		at, over := r.try(2, 1)
		r.post.end(1, taken)
		if err := r.Driver.Close(); err != nil {
			t.Error(err)
		}
		<-over
		if at.Outcome != drivers.Indeterminate || at.Code != drivers.CodeCancelled || !r.post.closed {
			t.Errorf("%v, code %q, closed %v", at.Outcome, at.Code, r.post.closed)
		}
	})
}

// Operations that were never sent have no history, and saturated ones are not called repeated.
func TestHistory(t *testing.T) {
	var h history
	if h.of(1<<60) != nil || h.of(0) != nil {
		t.Error("an operation that was not sent has a history")
	}
	h.send(3 * pageSize)
	if h.of(3*pageSize) == nil || h.of(3*pageSize+1) != nil || h.of(1) != nil {
		t.Error("the history is another operation's")
	}
	for range 300 {
		h.send(7)
	}
	for range 300 {
		if surplus, _ := h.of(7).reply(); surplus {
			t.Fatal("more replies than transmissions that were counted")
		}
	}
}

// Each reply that answered nothing is handed over, with its operation and the reason.
func TestStrays(t *testing.T) {
	virtual(t, func(r *rig) {
		var told []string
		r.Strays(func(s *drivers.Stray) {
			if s == nil {
				told = append(told, "anew")
				return
			}
			told = append(told, fmt.Sprint(s.Kind, " ", s.Seq, " ", s.At, " ", s.Why != ""))
		})
		_, over := r.try(1, 1)
		r.post.end(0, taken)
		r.reply(1)
		<-over
		r.reply(1)
		r.post.replies <- &Reply{Correlation: []byte("nobody"), At: r.env.Clock()}
		_, over = r.try(2, 1)
		r.post.end(1, taken)
		<-over // in virtual time, by its deadline
		r.reply(2)
		r.post.replies <- &Reply{Anew: true}
		synctest.Wait()
		want := []string{"twice 1 0s true", "foreign 0 0s true", "late 2 1s true", "anew"}
		if !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}
