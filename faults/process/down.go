package process

import (
	"context"
	"fmt"
	"time"
)

// Kill implements faults.Part: the process and its descendants get SIGKILL.
func (p *Process) Kill(ctx context.Context) error { return p.end(ctx, true) }

// Stop implements faults.Stopper: the process gets SIGTERM, and SIGKILL after its grace.
func (p *Process) Stop(ctx context.Context) error { return p.end(ctx, false) }

func (p *Process) end(ctx context.Context, atOnce bool) error {
	if err := p.lock(ctx); err != nil {
		return err
	}
	defer p.turn.Unlock()
	p.mu.Lock()
	if p.down {
		p.mu.Unlock()
		return nil
	}
	p.mu.Unlock()
	// A process that ended by itself cannot be killed: the fault would be credited with the target's own failure.
	c, err := p.alive()
	if err != nil {
		return err
	}
	open := c.sockets()
	p.startCounting(open, int64(open.established))
	if !atOnce {
		err = c.terminate(ctx, p.spec.Grace)
	}
	c.kill()
	select {
	case <-c.done:
	case <-ctx.Done():
		return fmt.Errorf("process %s does not end: %w", p.spec.Name, ctx.Err())
	}
	if atOnce && c.endedFirst() {
		return fmt.Errorf("process %s ended by itself before it was killed: %s", p.spec.Name, c.end())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down, p.frozen, p.limit = true, false, nil
	return err
}

// Pause implements faults.Part by SIGSTOP.
func (p *Process) Pause(ctx context.Context) error {
	if err := p.lock(ctx); err != nil {
		return err
	}
	defer p.turn.Unlock()
	c, err := p.alive()
	if err != nil {
		return err
	}
	p.mu.Lock()
	already := p.frozen
	p.frozen = true
	p.mu.Unlock()
	if already {
		return nil
	}
	return c.freeze(ctx)
}

// socketsEvery bounds how often a process that is frozen repeatedly has its sockets read. Reading the kernel's table takes
// a millisecond per thousand connections.
const socketsEvery = 200 * time.Millisecond

// Resume implements faults.Part by SIGCONT.
func (p *Process) Resume(ctx context.Context) error {
	if err := p.lock(ctx); err != nil {
		return err
	}
	defer p.turn.Unlock()
	p.mu.Lock()
	c, was, due := p.child, p.frozen, time.Since(p.socketsRead) >= socketsEvery
	p.mu.Unlock()
	if !was {
		_, err := p.alive()
		return err
	}
	waiting, ranOn := 0, c.ranOn()
	if due {
		waiting = c.sockets().waiting
	}
	c.thaw()
	p.mu.Lock()
	p.frozen = false
	p.ranOn = p.ranOn || ranOn
	p.met += int64(waiting)
	if due {
		p.socketsRead = time.Now()
	}
	p.mu.Unlock()
	_, err := p.alive()
	return err
}

// Lapse implements faults.Watched. It forgets what it tells.
func (p *Process) Lapse() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	ranOn := p.ranOn
	p.ranOn = false
	if !ranOn {
		return nil
	}
	return fmt.Errorf("was not in force to its end: something else let process %s go on (SIGCONT); let nothing else do so during a run", p.spec.Name)
}
