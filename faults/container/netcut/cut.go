package netcut

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/moby/moby/client"

	"wringer/faults"
	"wringer/faults/container"
)

// PartitionUndoKind is the kind of a partition's entries in a journal.
const PartitionUndoKind = "container-partition"

// partition drops packets where they arrive, in the network namespace of the container that would get them: the sender learns
// nothing, as in a network that loses them. It implements force.Mechanism.
type partition struct {
	table   string
	words   string
	members map[string]*member
	pairs   []*pair

	mu     sync.Mutex // guards the counts of the pairs, and what follows
	lapses []string
	lapsed time.Duration
}

// member is a container of the partition.
type member struct {
	container *container.Container
	life      container.Life
	addresses []netip.Addr
	// rules of the table in its namespace, as they were last read; nil: there is none.
	rules []tally
}

// tally is what one rule has dropped.
type tally struct{ packets, bytes uint64 }

// leftPartition is what a killed run left: tables in the namespaces of containers.
type leftPartition struct {
	Table  string            `json:"table"`
	Places []container.Place `json:"places"`
}

// Prepare implements force.Mechanism.
func (p *partition) Prepare(ctx context.Context) (any, error) {
	undo := leftPartition{Table: p.table}
	for _, name := range slices.Sorted(maps.Keys(p.members)) {
		m := p.members[name]
		if err := m.look(ctx); err != nil {
			return nil, err
		}
		undo.Places = append(undo.Places, m.container.Place())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lapses, p.lapsed = nil, 0
	return undo, nil
}

// look finds the container's process and addresses. A container that is cut off from all networks keeps those that it had.
func (m *member) look(ctx context.Context) error {
	c := m.container
	life, err := c.Engine().Life(ctx, c.ID(), c.Name())
	if err != nil {
		return err
	}
	inspected, err := c.Engine().ContainerInspect(ctx, c.ID(), client.ContainerInspectOptions{})
	if err != nil {
		return err
	}
	var found []netip.Addr
	for _, n := range inspected.Container.NetworkSettings.Networks {
		for _, a := range []netip.Addr{n.IPAddress, n.GlobalIPv6Address} {
			if a.IsValid() {
				found = append(found, a)
			}
		}
	}
	if len(found) == 0 && len(m.addresses) == 0 {
		return fmt.Errorf("container %s has no address", c.Name())
	}
	if len(found) > 0 {
		slices.SortFunc(found, netip.Addr.Compare)
		m.addresses = found
	}
	m.life = life
	return nil
}

// Break implements force.Mechanism.
func (p *partition) Break(context.Context) error {
	for to, pairs := range p.byReceiver() {
		if err := p.apply(p.members[to], pairs); err != nil {
			return fmt.Errorf("container %s: %w", to, err)
		}
	}
	return nil
}

// apply makes the table of one receiver anew.
func (p *partition) apply(m *member, pairs []*pair) error {
	if err := install(m.life.PID, p.table, p.sources(pairs)); err != nil {
		return err
	}
	m.rules = make([]tally, len(p.sources(pairs)))
	return nil
}

// sources are the addresses whose packets one receiver drops, one rule each, and the pair of each.
func (p *partition) sources(pairs []*pair) (all []source) {
	for _, d := range pairs {
		for _, a := range p.members[d.from].addresses {
			all = append(all, source{a, d})
		}
	}
	return all
}

// source is an address whose packets are dropped.
type source struct {
	address netip.Addr
	of      *pair
}

// Look implements force.Mechanism. It reads the counters, and renews the tables when a container has started again: it has a new
// namespace then, and may have another address.
func (p *partition) Look(ctx context.Context) {
	receivers := p.byReceiver()
	for to, pairs := range receivers {
		p.read(p.members[to], pairs)
	}
	var again []string
	for _, name := range slices.Sorted(maps.Keys(p.members)) {
		// One that is down passes no packet. It is looked at again.
		if m := p.members[name]; m.life.Over() && m.look(ctx) == nil {
			again = append(again, name)
		}
	}
	if len(again) == 0 {
		return
	}
	for to, pairs := range receivers {
		m := p.members[to]
		if m.life.Over() {
			continue
		}
		if err := p.apply(m, pairs); err != nil {
			p.lapse(0, fmt.Sprintf("container %s: %v", to, err))
		}
	}
	for _, name := range again {
		p.lapse(p.members[name].since(ctx), fmt.Sprintf("container %s started again", name))
	}
}

// since is how long the container has run by now.
func (m *member) since(ctx context.Context) time.Duration {
	inspected, err := m.container.Engine().ContainerInspect(ctx, m.container.ID(), client.ContainerInspectOptions{})
	if err != nil {
		return 0
	}
	started, err := time.Parse(time.RFC3339Nano, inspected.Container.State.StartedAt)
	if err != nil {
		return 0
	}
	return max(0, time.Since(started))
}

func (p *partition) lapse(length time.Duration, why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lapsed += length
	p.lapses = append(p.lapses, why)
}

// Lapse is faults.Watched's.
func (p *partition) Lapse() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.lapses) == 0 {
		return nil
	}
	return fmt.Errorf("was not in force for %v of its time: %s", p.lapsed.Round(time.Millisecond), p.lapses[0])
}

// read adds what a receiver has dropped since the last time. A namespace that is gone has counted its last.
func (p *partition) read(m *member, pairs []*pair) {
	if m.rules == nil || m.life.Over() {
		return
	}
	now, err := counters(m.life.PID, p.table)
	sources := p.sources(pairs)
	if err != nil || len(now) != len(sources) || len(now) != len(m.rules) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, s := range sources {
		s.of.packets += now[i].packets - m.rules[i].packets
		s.of.bytes += now[i].bytes - m.rules[i].bytes
	}
	m.rules = now
}

// Mend implements force.Mechanism.
func (p *partition) Mend(context.Context) error {
	var failed []error
	for to := range p.byReceiver() {
		m := p.members[to]
		if m.life.Over() {
			m.rules = nil
			continue
		}
		if err := remove(m.life.PID, p.table); err != nil {
			failed = append(failed, fmt.Errorf("container %s: %w", to, err))
			continue
		}
		m.rules = nil
	}
	return errors.Join(failed...)
}

// Whole implements force.Mechanism.
func (p *partition) Whole(ctx context.Context) error {
	for to := range p.byReceiver() {
		m := p.members[to]
		if m.life.Over() {
			continue
		}
		if found, err := exists(m.life.PID, p.table); err != nil || found {
			return errors.Join(err, fmt.Errorf("container %s still drops packets", to))
		}
	}
	return nil
}

// Bite implements force.Mechanism.
func (p *partition) Bite() faults.Bite {
	p.mu.Lock()
	defer p.mu.Unlock()
	packets, bytes, words := p.counted()
	return faults.Bite{Bit: packets > 0, Connections: -1, Bytes: int64(bytes), Words: words}
}

// UndoPartition removes the tables of a run that was killed.
func UndoPartition(ctx context.Context, data json.RawMessage) error {
	var l leftPartition
	if err := json.Unmarshal(data, &l); err != nil {
		return fmt.Errorf("entry of a partition: %w", err)
	}
	if len(l.Table) <= len(tablePrefix) || l.Table[:len(tablePrefix)] != tablePrefix {
		return fmt.Errorf("entry of a partition: %q is no table of a run", l.Table)
	}
	var failed []error
	for _, place := range l.Places {
		failed = append(failed, place.Undo(ctx, func(e *container.Engine) error {
			life, err := e.Life(ctx, place.ID, place.Name)
			if err != nil {
				return nil // its namespace is gone with it
			}
			return remove(life.PID, l.Table)
		}))
	}
	return errors.Join(failed...)
}
