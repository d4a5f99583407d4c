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
	"wringer/faults/container/packets"
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
	rules []packets.Tally
}

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
	life, err := c.Life(ctx)
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
func (p *partition) Break(ctx context.Context) error {
	for to, pairs := range p.byReceiver() {
		if err := p.apply(ctx, p.members[to], pairs); err != nil {
			return fmt.Errorf("container %s: %w", to, err)
		}
	}
	return nil
}

// apply makes the table of one receiver anew.
func (p *partition) apply(ctx context.Context, m *member, pairs []*pair) error {
	table := packets.Table{Name: p.table}
	for _, s := range p.sources(pairs) {
		table.Rules = append(table.Rules, packets.Rule{From: s.address, Drop: true})
	}
	if err := m.life.Do(ctx, packets.CallInstall, table, nil); err != nil {
		return err
	}
	m.rules = make([]packets.Tally, len(table.Rules))
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
		p.read(ctx, p.members[to], pairs)
	}
	var again []string
	for _, name := range slices.Sorted(maps.Keys(p.members)) {
		m := p.members[name]
		began := m.life.Began
		// One that is down passes no packet. It is looked at again. One whose sidecar alone ended still drops them.
		if m.life.Over() && m.look(ctx) == nil && !m.life.Began.Equal(began) {
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
		if err := p.apply(ctx, m, pairs); err != nil {
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
func (p *partition) read(ctx context.Context, m *member, pairs []*pair) {
	if m.rules == nil || m.life.Over() {
		return
	}
	var now []packets.Tally
	err := m.life.Do(ctx, packets.CallCounters, packets.Table{Name: p.table}, &now)
	sources := p.sources(pairs)
	if err != nil || len(now) != len(sources) || len(now) != len(m.rules) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, s := range sources {
		s.of.packets += now[i].Packets - m.rules[i].Packets
		s.of.bytes += now[i].Bytes - m.rules[i].Bytes
	}
	m.rules = now
}

// Mend implements force.Mechanism.
func (p *partition) Mend(ctx context.Context) error {
	var failed []error
	for to := range p.byReceiver() {
		m := p.members[to]
		gone, err := m.gone(ctx)
		if err == nil && !gone {
			err = m.life.Do(ctx, packets.CallRemove, packets.Table{Name: p.table}, nil)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("container %s: %w", to, err))
			continue
		}
		m.rules = nil
	}
	return errors.Join(failed...)
}

// gone says that the container does not run: its namespace is gone with it. Otherwise the member has its present life.
func (m *member) gone(ctx context.Context) (bool, error) {
	if !m.life.Over() {
		return false, nil
	}
	life, err := m.container.Life(ctx)
	if errors.Is(err, container.ErrDown) {
		return true, nil
	}
	if err == nil {
		m.life = life
	}
	return false, err
}

// Whole implements force.Mechanism.
func (p *partition) Whole(ctx context.Context) error {
	for to := range p.byReceiver() {
		m := p.members[to]
		gone, err := m.gone(ctx)
		if gone {
			continue
		}
		var found bool
		if err == nil {
			err = m.life.Do(ctx, packets.CallExists, packets.Table{Name: p.table}, &found)
		}
		if err != nil {
			return fmt.Errorf("container %s: %w", to, err)
		}
		if found {
			return fmt.Errorf("container %s still drops packets", to)
		}
	}
	return nil
}

// Bite implements force.Mechanism.
func (p *partition) Bite() faults.Bite {
	p.mu.Lock()
	defer p.mu.Unlock()
	dropped, bytes, words := p.counted()
	return faults.Bite{Bit: dropped > 0, Connections: -1, Bytes: int64(bytes), Words: words}
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
			if errors.Is(err, container.ErrDown) {
				return nil // its namespace is gone with it
			}
			if err != nil {
				return err
			}
			return errors.Join(life.Do(ctx, packets.CallRemove, packets.Table{Name: l.Table}, nil), life.Close())
		}))
	}
	return errors.Join(failed...)
}
