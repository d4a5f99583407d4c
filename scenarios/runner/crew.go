package runner

import (
	"context"
	"sync"

	"wringer/drivers"
)

// crew carries flights by sessions: one worker a session, as many as are needed at once. The worker that came back last
// goes first, so that few connections carry what few can.
type crew struct {
	s    *stream
	fly  context.Context
	mu   sync.Mutex
	keep *keeper // nil until the first worker
	idle []*worker
	home bool // no flight will be launched any more
	all  sync.WaitGroup
}

type worker struct {
	session drivers.Session
	post    post
	in      chan job // closed by wait
}

type job struct {
	f    *flight
	over func()
}

func (c *crew) launch(f *flight, over func()) {
	c.mu.Lock()
	if n := len(c.idle); n > 0 {
		w := c.idle[n-1]
		c.idle = c.idle[:n-1]
		c.mu.Unlock()
		w.in <- job{f, over}
		return
	}
	c.mu.Unlock()
	c.all.Go(func() { c.work(job{f, over}) })
}

// work is a worker's life, beginning with its first job.
func (c *crew) work(j job) {
	w := c.hire()
	defer w.quit()
	for ok := true; ok; j, ok = <-w.in {
		c.carry(w, j.f)
		// A worker is free before its flight counts as landed, so that there are never more workers than flights
		// allowed at once.
		stay := c.park(w)
		j.over()
		if !stay {
			return
		}
	}
}

// ride gives a user a session of its own: no other goroutine has a part in its operations.
func (c *crew) ride() (carry func(*flight), leave func()) {
	w := c.hire()
	return func(f *flight) {
		c.s.next(f)
		c.carry(w, f)
	}, w.quit
}

func (c *crew) hire() *worker {
	c.mu.Lock()
	if c.keep == nil {
		c.keep = newKeeper(c.fly)
	}
	keep := c.keep
	c.mu.Unlock()
	return &worker{session: c.session(), post: post{keeper: keep}, in: make(chan job, 1)}
}

func (w *worker) quit() {
	w.session.Close()
	w.post.leave()
}

func (c *crew) session() drivers.Session {
	session, err := c.s.driver.Session()
	if err != nil {
		c.s.fail(err)
		return broken{err}
	}
	return session
}

// park makes the worker available, false when it may go home.
func (c *crew) park(w *worker) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.home {
		return false
	}
	c.idle = append(c.idle, w)
	return true
}

// carry takes one operation through its attempts.
func (c *crew) carry(w *worker, f *flight) {
	f.post = &w.post
	now := c.s.env.Clock()
	for {
		ctx := c.s.again(c.fly, f, now)
		if ctx == nil {
			break
		}
		w.session.Do(ctx, &f.op, &f.at)
		now = f.land(&c.s.env, c.s.meaning)
		wait, again := c.s.policy.next(f, now)
		if !again || !sleep(c.fly, wait) {
			break
		}
		now = c.s.env.Clock()
	}
	c.s.finish(f)
}

// wait sends the idle workers home; those under way go when they come back.
func (c *crew) wait() {
	c.mu.Lock()
	c.home = true
	for _, w := range c.idle {
		close(w.in)
	}
	c.mu.Unlock()
	c.all.Wait()
	if c.keep != nil {
		c.keep.close()
	}
}

// broken stands in for a session that could not be opened; the run ends with the error.
type broken struct{ err error }

func (b broken) Do(_ context.Context, _ *drivers.Op, at *drivers.Attempt) {
	at.Fail(drivers.Rejected, drivers.CodeRefused, b.err.Error())
}

func (broken) Close() error { return nil }
