package traffic

import (
	"context"
	"sync"

	"wringer/drivers"
)

// sessionPool runs operations by sessions: one worker a session, as many as are needed at once. The worker that became idle
// last is used first, so that a light load keeps to few connections.
type sessionPool struct {
	s       *Stream
	ctx     context.Context // of the attempts
	mu      sync.Mutex
	timer   *deadlineTimer // nil until the first worker
	idle    []*sessionWorker
	closing bool // no operation will be started any more
	workers sync.WaitGroup
}

type sessionWorker struct {
	session drivers.Session
	slot    attemptSlot
	jobs    chan job // closed by wait
}

type job struct {
	op       *operation
	complete func()
}

func (p *sessionPool) start(op *operation, complete func()) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		w.jobs <- job{op, complete}
		return
	}
	p.mu.Unlock()
	p.workers.Go(func() { p.work(job{op, complete}) })
}

// work opens a session and runs jobs with it, beginning with j.
func (p *sessionPool) work(j job) {
	w := p.acquire()
	defer w.release()
	for ok := true; ok; j, ok = <-w.jobs {
		p.run(w, j.op)
		// The worker is idle before its operation counts as completed. So there are never more workers than operations
		// allowed at once.
		kept := p.setIdle(w)
		j.complete()
		if !kept {
			return
		}
	}
}

// user gives one user a session of its own. Its operations involve no other goroutine.
func (p *sessionPool) user() (run func(*operation), done func()) {
	w := p.acquire()
	return func(op *operation) {
		p.s.numberNext(op)
		p.run(w, op)
	}, w.release
}

func (p *sessionPool) acquire() *sessionWorker {
	p.mu.Lock()
	if p.timer == nil {
		p.timer = newDeadlineTimer(p.ctx)
	}
	timer := p.timer
	p.mu.Unlock()
	return &sessionWorker{session: p.session(), slot: attemptSlot{timer: timer}, jobs: make(chan job, 1)}
}

func (w *sessionWorker) release() {
	w.session.Close()
	w.slot.release()
}

func (p *sessionPool) session() drivers.Session {
	session, err := p.s.driver.Session()
	if err != nil {
		p.s.fail(err)
		return brokenSession{err}
	}
	return session
}

// setIdle makes the worker available for the next operation. It returns false when the pool is closing.
func (p *sessionPool) setIdle(w *sessionWorker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing {
		return false
	}
	p.idle = append(p.idle, w)
	return true
}

// run makes the attempts of one operation.
func (p *sessionPool) run(w *sessionWorker, op *operation) {
	now := p.s.env.Clock()
	for p.s.prepare(op, now) {
		ctx := w.slot.begin(p.ctx, p.s.env.Epoch().Add(now+op.at.Timeout))
		w.session.Do(ctx, &op.op, &op.at)
		w.slot.end()
		now = op.endAttempt(&p.s.env, p.s.outcomes)
		wait, again := p.s.policy.next(op, now)
		if !again || !sleep(p.ctx, wait) {
			break
		}
		now = p.s.env.Clock()
	}
	p.s.finish(op)
}

// wait ends the idle workers. A busy worker ends after its operation.
func (p *sessionPool) wait() {
	p.mu.Lock()
	p.closing = true
	for _, w := range p.idle {
		close(w.jobs)
	}
	p.mu.Unlock()
	p.workers.Wait()
	if p.timer != nil {
		p.timer.close()
	}
}

// brokenSession stands in for a session that could not be opened. The run ends with the error.
type brokenSession struct{ err error }

func (b brokenSession) Do(_ context.Context, _ *drivers.Op, at *drivers.Attempt) {
	at.Fail(drivers.Rejected, drivers.CodeRefused, b.err.Error())
}

func (brokenSession) Close() error { return nil }
