package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"wringer/drivers"
	"wringer/drivers/coding"
	"wringer/drivers/effect"
)

// mostOwed bounds the operations whose first call was refused or left without an answer. Beyond it, calls get good answers.
const mostOwed = 1 << 16

// mostCalls bounds the calls that are read at once. Their bodies are in memory.
var mostCalls = 1024

// source takes the calls of one step.
type source struct {
	config Config
	env    drivers.Env
	server *server
	paths  effect.Documents
	ready  chan struct{} // closed when Receive runs
	over   chan struct{} // closed when Receive ended
	closed sync.Once
	under  sync.WaitGroup // calls under way

	mu      sync.Mutex
	reader  *effect.Reader
	deliver func(*drivers.Delivery)
	owed    map[uint64]*owed
	running int
	counts  struct{ calls, failed, hung, retries int64 }
	failure error // why the place is not fully known; nil: it is
}

// owed is an operation whose first call got no good answer.
type owed struct {
	taken   bool // that call counted
	settled bool // a later call got a good answer; from then on each further one is a second effect
}

var (
	_ drivers.Source = (*source)(nil)
	_ drivers.Gauger = (*source)(nil)
)

// Start implements drivers.Source.
func (s *source) Start(context.Context) error {
	s.server.source.Store(s)
	return nil
}

// Receive implements drivers.Source. Calls deliver by themselves.
func (s *source) Receive(ctx context.Context, deliver func(*drivers.Delivery)) error {
	s.mu.Lock()
	s.deliver = deliver
	s.mu.Unlock()
	close(s.ready)
	<-ctx.Done()
	s.end()
	return nil
}

// end lets calls that wait return, and takes no more.
func (s *source) end() {
	s.closed.Do(func() {
		s.server.source.CompareAndSwap(s, nil)
		close(s.over)
		s.mu.Lock()
		s.deliver = nil
		s.mu.Unlock()
	})
	s.under.Wait()
}

// CatchUp implements drivers.Source. A call is delivered before it is answered; a call that did not end yet is not there yet.
func (s *source) CatchUp(ctx context.Context) error {
	select {
	case <-s.ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure
}

// Gauges implements drivers.Gauger.
func (s *source) Gauges(emit func(name string, value float64)) {
	s.mu.Lock()
	c := s.counts
	s.mu.Unlock()
	emit("webhook_calls", float64(c.calls))
	emit("webhook_failed", float64(c.failed))
	emit("webhook_hung", float64(c.hung))
	emit("webhook_retries", float64(c.retries))
}

// Close implements drivers.Source.
func (s *source) Close() error {
	s.end()
	return nil
}

// begin counts a call that begins; false when the source is over or too many are under way. What the target then gives up is not there by
// our own doing, so the place is not fully known.
func (s *source) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.over:
		return false
	default:
	}
	if s.running >= mostCalls {
		s.failure = cmp.Or(s.failure, errTooMany)
		return false
	}
	s.running++
	s.under.Add(1)
	return true
}

var errTooMany = errors.New("too many calls came at once, and some were refused: lower the load")

// read notes that a call's body was read and is not held any more.
func (s *source) read() {
	s.mu.Lock()
	s.running--
	s.mu.Unlock()
}

// call takes one call, and answers it.
func (s *source) call(w http.ResponseWriter, r *http.Request) {
	if !s.begin() {
		http.Error(w, "too many calls at once", http.StatusServiceUnavailable)
		return
	}
	defer s.under.Done()
	read := sync.OnceFunc(s.read)
	defer read()
	select {
	case <-s.ready:
	case <-s.over:
		http.Error(w, "the run is over", http.StatusServiceUnavailable)
		return
	}
	bound := int64(cmp.Or(int(s.config.MaxBody), defaultBody))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bound))
	if errors.As(err, new(*http.MaxBytesError)) {
		s.fail(fmt.Errorf("a call's body was longer than %s: raise max_body", drivers.Bytes(bound)))
		http.Error(w, "the body is too long", http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		return // the caller broke off: there was no call
	}
	if body, _, err = coding.Undo(strings.Join(r.Header.Values("Content-Encoding"), ","), body, nil, bound); err != nil {
		s.fail(fmt.Errorf("a call's body could not be decoded: %w", err))
		http.Error(w, "the body cannot be decoded", http.StatusUnsupportedMediaType)
		return
	}
	switch s.take(r, body) {
	case good:
		w.WriteHeader(cmp.Or(s.config.Status, http.StatusOK))
	case refused:
		http.Error(w, "refused by the test", cmp.Or(s.config.FailStatus, http.StatusServiceUnavailable))
	case unanswered:
		read()
		s.hang(w, r)
	}
}

// hang leaves a call without an answer.
func (s *source) hang(w http.ResponseWriter, r *http.Request) {
	timer := time.NewTimer(cmp.Or(s.config.HangFor, defaultHang))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	case <-s.over:
	}
	http.Error(w, "no answer, by the test", http.StatusGatewayTimeout)
}

// answer is what becomes of a call.
type answer uint8

const (
	good answer = iota
	refused
	unanswered
)

// take delivers a call, unless it is to be refused.
func (s *source) take(r *http.Request, body []byte) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.calls++
	d := drivers.Delivery{At: s.env.Clock()}
	rec, err := s.reader.Read(s.fields(r, body))
	if err != nil {
		s.failure = errors.Join(s.failure, err)
		return good
	}
	if !rec.Ours {
		s.pass(&d)
		return good
	}
	d.ID, d.Wrong = rec.ID, rec.Wrong
	seq, _ := s.env.Identity.Parse(rec.ID)
	what := s.draw(seq)
	if before := s.owed[seq]; before != nil {
		what = good
		if !before.settled {
			s.counts.retries++
			before.settled, d.Redelivered = true, before.taken
		}
	} else if what != good {
		s.owed[seq] = &owed{taken: what == unanswered}
	}
	switch what {
	case refused:
		s.counts.failed++
		return refused
	case unanswered:
		s.counts.hung++
	}
	for range rec.Count {
		s.pass(&d)
	}
	return what
}

func (s *source) pass(d *drivers.Delivery) {
	if s.deliver != nil {
		s.deliver(d)
	}
}

// Draws of an operation's first answer stand apart from all others.
const drawPlace = 1<<59 + 1

// draw is the answer to an operation's first call. Calls after a good answer are no first ones: they are answered well.
func (s *source) draw(seq uint64) answer {
	fail, hang := float64(s.config.Fail), float64(s.config.Hang)
	if fail+hang == 0 || len(s.owed) >= mostOwed {
		return good
	}
	switch at := float64(drivers.Draw(s.env.Seed, seq, drawPlace)>>11) / (1 << 53); {
	case at < fail:
		return refused
	case at < fail+hang:
		return unanswered
	}
	return good
}

// fail notes why the place is not fully known.
func (s *source) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure == nil {
		s.failure = err
	}
}

// fields are those of a call: of its headers, and of its body. A body that is no JSON has no fields.
func (s *source) fields(r *http.Request, body []byte) effect.Field {
	inBody, err := s.paths.Fields(body)
	return func(name string) ([]byte, bool) {
		if header, ok := strings.CutPrefix(name, headerField); ok {
			text := r.Header.Get(strings.TrimSpace(header))
			return []byte(text), text != ""
		}
		if err != nil {
			return nil, false
		}
		return inBody(name)
	}
}
