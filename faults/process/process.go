// Package process runs a local program as a part of a target. Faults can freeze it, kill it, terminate it gracefully, and
// limit its open files. The kernel's socket tables show which connections met the program meanwhile.
package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"wringer/faults"
	"wringer/faults/procfs"
)

// Spec is a program to run.
type Spec struct {
	Name    string
	Command []string
	Dir     string
	Env     []string // KEY=VALUE, in addition to this process's own environment
	// Output receives the program's standard output and error, one write at a time. nil: discarded.
	Output io.Writer
	// Ready returns nil when the program works. It is called repeatedly after each start until then. Its connections have
	// ended at the program when it returns: a fault would count them as traffic. nil: a running program is ready.
	Ready func(ctx context.Context) error
	// Begin, when set, is called before each start.
	Begin func()
	// Within bounds the time to become ready, and Grace the time to end when asked. Defaults: 30s and 5s.
	Within, Grace time.Duration
	// Refused returns how many known dials to a port have failed so far. nil: no dials are known.
	Refused func(port string) int64
	// Journal gets an entry as soon as the process has a pid. May be nil.
	Journal *faults.Journal
	// Run marks the process as this run's own.
	Run string
}

// mark identifies the processes of this part among all processes, those of other runs included.
func (s *Spec) mark() string { return s.Run + "/" + s.Name }

const (
	defaultWithin = 30 * time.Second
	defaultGrace  = 5 * time.Second
)

// Process is a part of a target. It implements faults.Part, faults.Stopper and faults.FileLimiter.
type Process struct {
	spec Spec
	turn faults.Turn // held while a call is in progress

	mu          sync.Mutex
	child       *child  // the last one started
	deaths      []Death // of earlier lives
	frozen      bool
	ranOn       bool // something else let the frozen process go on, since the last Lapse
	down        bool // killed or ended by a fault
	limit       *procfs.FileLimit
	met         int64 // by faults that have ended
	refused     map[string]int64
	socketsRead time.Time // when a frozen process's sockets were last read
}

// New prepares a process. Start starts it.
func New(spec Spec) *Process {
	spec.Within, spec.Grace = cmp.Or(spec.Within, defaultWithin), cmp.Or(spec.Grace, defaultGrace)
	return &Process{spec: spec, turn: faults.NewTurn()}
}

// lock waits until no other call is in progress.
func (p *Process) lock(ctx context.Context) error {
	if err := p.turn.Lock(ctx); err != nil {
		return fmt.Errorf("process %s: %w", p.spec.Name, err)
	}
	return nil
}

// alive returns the running child, or why there is none.
func (p *Process) alive() (*child, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.child == nil:
		return nil, fmt.Errorf("process %s does not run", p.spec.Name)
	case p.child.hasEnded():
		return nil, fmt.Errorf("process %s does not run: %s", p.spec.Name, p.child.end())
	}
	return p.child, nil
}

// Patience implements faults.Slow.
func (p *Process) Patience() time.Duration { return p.spec.Within + p.spec.Grace + 2*time.Second }

// Start implements faults.Part. It returns when the process is ready; a ready process is left alone.
func (p *Process) Start(ctx context.Context) error {
	if err := p.lock(ctx); err != nil {
		return err
	}
	defer p.turn.Unlock()
	c, err := p.alive()
	if err != nil {
		if c, err = p.launch(ctx); err != nil {
			return err
		}
	}
	if err := p.untilReady(ctx, c); err != nil {
		return err
	}
	p.stopCounting()
	return nil
}

// unanswered refuses a ready check that something else answers: the process would seem to work whatever became of it.
func (p *Process) unanswered(ctx context.Context) error {
	if p.spec.Ready == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readyBound)
	defer cancel()
	if p.spec.Ready(ctx) != nil {
		return nil
	}
	return fmt.Errorf("start process %s: its ready check succeeds before the process is started: something else answers there; end it, or let the process have a port of ports", p.spec.Name)
}

func (p *Process) launch(ctx context.Context) (*child, error) {
	if p.spec.Begin != nil {
		p.spec.Begin()
	}
	if err := p.unanswered(ctx); err != nil {
		return nil, err
	}
	c, err := start(p.spec)
	if err != nil {
		return nil, fmt.Errorf("start process %s: %w", p.spec.Name, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.endedByItself() {
		p.deaths = append(p.deaths, p.death())
	}
	p.child = c
	return c, nil
}

// The interval between two checks of readiness, and the bound of one check.
const (
	readyEvery = 50 * time.Millisecond
	readyBound = time.Second
)

func (p *Process) untilReady(ctx context.Context, c *child) error {
	ctx, cancel := context.WithTimeout(ctx, p.spec.Within)
	defer cancel()
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	for {
		err := p.checkReady(ctx, c)
		if err == nil {
			c.ready.Store(true)
			return nil
		}
		select {
		case <-c.done:
			return fmt.Errorf("process %s ended before it was ready: %s%s", p.spec.Name, c.end(), c.quoteTail())
		case <-ctx.Done():
			return fmt.Errorf("process %s is not ready: %w%s", p.spec.Name, err, c.quoteTail())
		case <-tick.C:
		}
	}
}

// checkReady checks once whether the process is ready.
func (p *Process) checkReady(ctx context.Context, c *child) error {
	if c.hasEnded() {
		return errors.New(c.end())
	}
	if p.spec.Ready == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readyBound)
	defer cancel()
	return p.spec.Ready(ctx)
}

// Ready implements faults.Part.
func (p *Process) Ready(ctx context.Context) error {
	c, err := p.alive()
	if err != nil {
		return err
	}
	p.mu.Lock()
	frozen, limited := p.frozen, p.limit != nil
	p.mu.Unlock()
	switch {
	case frozen:
		return fmt.Errorf("process %s is frozen", p.spec.Name)
	case limited:
		return fmt.Errorf("the files of process %s are limited", p.spec.Name)
	}
	if err := p.checkReady(ctx, c); err != nil {
		return fmt.Errorf("process %s is not ready: %w", p.spec.Name, err)
	}
	return nil
}

// Vars returns the variables of a running process.
func (p *Process) Vars() map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.child == nil {
		return nil
	}
	return map[string]string{"pid": fmt.Sprint(p.child.pid())}
}

// Close ends the process gracefully. If ctx or its grace ends first, the process and its descendants are killed.
func (p *Process) Close(ctx context.Context) error {
	p.mu.Lock()
	c := p.child
	p.down = true
	p.mu.Unlock()
	if c == nil {
		return nil
	}
	if !c.hasEnded() {
		_ = c.terminate(ctx, p.spec.Grace) // the kill ends processes that ignored SIGTERM
	}
	c.kill()
	// SIGKILL cannot be ignored, but a process stuck in the kernel can take its time.
	select {
	case <-c.done:
		return nil
	case <-time.After(p.spec.Grace):
		return fmt.Errorf("process %s, pid %d, did not die", p.spec.Name, c.pid())
	}
}
