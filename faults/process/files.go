package process

import (
	"context"
	"fmt"

	"wringer/faults/procfs"
)

// LimitFiles implements faults.FileLimiter.
func (p *Process) LimitFiles(ctx context.Context, most uint64) error {
	if err := p.lock(ctx); err != nil {
		return err
	}
	defer p.turn.Unlock()
	c, err := p.alive()
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.limit != nil {
		return nil
	}
	p.limit, err = procfs.LimitFiles(c.members(), most)
	if err != nil {
		return fmt.Errorf("limit the files of process %s: %w", p.spec.Name, err)
	}
	return nil
}

// RestoreFiles implements faults.FileLimiter.
func (p *Process) RestoreFiles(ctx context.Context) error {
	if err := p.lock(ctx); err != nil {
		return err
	}
	defer p.turn.Unlock()
	p.mu.Lock()
	l, c := p.limit, p.child
	p.mu.Unlock()
	if l != nil {
		met := waitingForFiles(l, c)
		if err := l.Restore(); err != nil {
			return fmt.Errorf("restore the files of process %s: %w", p.spec.Name, err)
		}
		p.mu.Lock()
		p.limit = nil
		p.met += met
		p.mu.Unlock()
	}
	_, err := p.alive()
	return err
}

// waitingForFiles counts the connections that wait to be accepted by a process at its file limit.
func waitingForFiles(l *procfs.FileLimit, c *child) int64 {
	if !l.Reached() {
		return 0
	}
	return int64(c.sockets().queued)
}
