package process

import (
	"fmt"
	"slices"
	"time"
)

// Ended says how the process ended by itself; empty otherwise.
func (p *Process) Ended() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.endedByItself() {
		return ""
	}
	return p.death().Text
}

// endedByItself says so of the last life, under mu.
func (p *Process) endedByItself() bool { return p.child != nil && !p.down && p.child.hasEnded() }

// Death is an end that nothing asked for.
type Death struct {
	Text string // "process web ended by itself: exit status 3; its last words: ..."
	At   time.Time
}

// death is the end of the last life, under mu.
func (p *Process) death() Death {
	c := p.child
	return Death{fmt.Sprintf("process %s ended by itself: %s%s", p.spec.Name, c.end(), c.quoteTail()), c.ended}
}

// Deaths are the ends that nothing asked for, of all lives so far.
func (p *Process) Deaths() []Death {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := slices.Clone(p.deaths)
	if p.endedByItself() {
		all = append(all, p.death())
	}
	return all
}
