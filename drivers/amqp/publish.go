package amqp

import (
	"context"
	"sync/atomic"
	"time"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers"
	"wringer/drivers/expiry"
)

// ref names one publish of a stream: the operation and its attempt.
type ref struct {
	seq     uint64
	attempt int
}

// publish is one attempt whose message awaits its turn or its confirm.
type publish struct {
	ref     ref
	key     string
	message library.Publishing // the writer's from the claim on
	stage   atomic.Uint32
	sent    time.Duration // when the message was about to be written; valid from the claim on

	// at and done belong to the runner. Only the goroutine that sets ended may touch them.
	at    *drivers.Attempt
	done  func()
	ended atomic.Bool

	channel  *channel
	ctx      context.Context        // ends this attempt and others
	timed    bool                   // the attempt has a deadline
	deadline time.Duration          // on the run's clock
	expiry   expiry.Entry[*publish] // in channel.deadlines
}

// The stages of a publish. Until it is claimed it can be cancelled, and was certainly not sent.
const (
	waiting uint32 = iota
	claimed
	cancelled
)

// claim takes a publish for sending. It returns false if the publish was cancelled before.
func (p *publish) claim(now time.Duration) bool {
	p.sent = now
	return p.stage.CompareAndSwap(waiting, claimed)
}

// cancel reports whether the publish will never be sent.
func (p *publish) cancel() bool {
	return p.stage.CompareAndSwap(waiting, cancelled) || p.stage.Load() == cancelled
}

// unconfirmed holds the publishes of an epoch that await their confirms, by delivery tag. Tags count up by one, so a slice finds
// them. The zero value is empty. Not safe for concurrent use.
type unconfirmed struct {
	all   []*publish // nil where a publish was confirmed
	first uint64     // the tag of all[0], less 1
	count int        // that are not nil
}

// add adds the publish with the next tag.
func (u *unconfirmed) add(p *publish) {
	u.all = append(u.all, p)
	u.count++
}

// written is the last tag.
func (u *unconfirmed) written() uint64 { return u.first + uint64(len(u.all)) }

// take takes out the publish with a tag: nil if it was confirmed before.
func (u *unconfirmed) take(tag uint64) *publish {
	if tag <= u.first || tag > u.written() {
		return nil
	}
	i := tag - u.first - 1
	p := u.all[i]
	if p != nil {
		u.all[i] = nil
		u.count--
	}
	u.trim()
	return p
}

// trim drops what was confirmed from the front.
func (u *unconfirmed) trim() {
	n := 0
	for n < len(u.all) && u.all[n] == nil {
		n++
	}
	u.all, u.first = u.all[n:], u.first+uint64(n)
}

// find returns the tag of a publish that is returned; 0: none. Brokers return messages in the order of their publishes, so the
// search goes on behind the last tag that it found.
func (u *unconfirmed) find(r ref, behind uint64) uint64 {
	from := 0
	if behind > u.first {
		from = int(min(behind-u.first, uint64(len(u.all))))
	}
	for i := range u.all {
		at := (from + i) % len(u.all)
		if p := u.all[at]; p != nil && p.ref == r {
			return u.first + uint64(at) + 1
		}
	}
	return 0
}

// last is the publish with the highest tag that awaits its confirm; nil: none does.
func (u *unconfirmed) last() *publish {
	for i := len(u.all) - 1; i >= 0; i-- {
		if u.all[i] != nil {
			return u.all[i]
		}
	}
	return nil
}

// takeAll takes out the publishes up to a tag, and appends them to taken.
func (u *unconfirmed) takeAll(tag uint64, taken []*publish) []*publish {
	if tag <= u.first {
		return taken
	}
	n := int(tag - u.first)
	for _, p := range u.all[:n] {
		if p != nil {
			taken = append(taken, p)
		}
	}
	u.count -= len(taken)
	clear(u.all[:n])
	u.all, u.first = u.all[n:], tag
	return taken
}
