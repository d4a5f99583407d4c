package container

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"

	"github.com/moby/moby/api/types/container"

	"wringer/faults"
	"wringer/faults/container/packets"
)

var _ faults.Counting = (*Container)(nil)

// PrepareToCount implements faults.Counting: what a fault meets is seen in the container, and in those that may call it. Where a
// sidecar is needed for that, it is started.
func (c *Container) PrepareToCount(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sidecarWithin)
	defer cancel()
	all := append(c.callers(), c)
	failed := make([]error, len(all))
	var prepared sync.WaitGroup
	for i, one := range all {
		prepared.Go(func() {
			life, err := one.Life(ctx)
			if err == nil {
				one.last.Store(&life)
			} else if !errors.Is(err, ErrDown) { // one that is down calls nobody
				failed[i] = err
			}
		})
	}
	prepared.Wait()
	return errors.Join(failed...)
}

// callers are the containers that may call this one.
func (c *Container) callers() []*Container {
	if c.spec.Callers == nil {
		return nil
	}
	return c.spec.Callers()
}

// known is a life in which packets can be counted, without starting anything; one that is over where there is none.
func (c *Container) known(ctx context.Context) Life {
	if last := c.last.Load(); last != nil && !last.Over() {
		return *last
	}
	e := c.spec.Engine
	if !e.own() {
		return c.near(0)
	}
	life, err := e.lifeHere(ctx, c.spec.ID, c.spec.Name)
	if err != nil {
		return Life{}
	}
	c.last.Store(&life)
	return life
}

// Calls counts what other containers send to one that they cannot reach: packets to its addresses, and questions of DNS for its
// names. It changes nothing: a table that a killed run leaves counts on, and the next takes its place. Safe for concurrent use.
type Calls struct {
	table packets.Table // its name; the rules are each caller's own
	lives []Life

	mu   sync.Mutex
	seen []uint64 // packets, by life
}

// WatchCalls begins to count. It leaves out callers that it cannot look into.
func (c *Container) WatchCalls(ctx context.Context, networks *container.NetworkSettings) *Calls {
	ctx, cancel := context.WithTimeout(ctx, readyBound)
	defer cancel()
	w := &Calls{table: packets.Table{Name: "wringer-calls-" + c.spec.Name}}
	callers := c.callers()
	lives := make([]Life, len(callers))
	var installed sync.WaitGroup
	for i, one := range callers {
		installed.Go(func() {
			life, table := one.known(ctx), w.table
			if life.Over() {
				return
			}
			table.Rules = c.callRules(networks, life.search(ctx))
			if len(table.Rules) > 0 && life.Do(ctx, packets.CallInstall, table, nil) == nil {
				lives[i] = life
			}
		})
	}
	installed.Wait()
	w.lives = slices.DeleteFunc(lives, Life.Over)
	w.seen = make([]uint64, len(w.lives))
	return w
}

// callRules match what leads to the container alone, by a caller whose resolver appends domains to names.
func (c *Container) callRules(networks *container.NetworkSettings, domains []string) (all []packets.Rule) {
	if networks == nil {
		return nil
	}
	for name, n := range networks.Networks {
		domains = append(domains, name) // the engine's own name service knows NAME.NETWORK too
		for _, a := range []netip.Addr{n.IPAddress, n.GlobalIPv6Address} {
			if a.IsValid() {
				all = append(all, packets.Rule{To: a})
			}
		}
	}
	for _, name := range asked(c.spec.Names, domains) {
		all = append(all, packets.Rule{Question: name})
	}
	return all
}

// Count returns the packets so far. A caller that ended meanwhile has counted its last.
func (w *Calls) Count(ctx context.Context) (n int64) {
	ctx, cancel := context.WithTimeout(ctx, readyBound)
	defer cancel()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, life := range w.lives {
		var now []packets.Tally
		if life.Over() || life.Do(ctx, packets.CallCounters, w.table, &now) != nil {
			now = nil
		}
		packets := uint64(0)
		for _, t := range now {
			packets += t.Packets
		}
		w.seen[i] = max(w.seen[i], packets)
		n += int64(w.seen[i])
	}
	return n
}

// Close counts once more and ends the count.
func (w *Calls) Close(ctx context.Context) (n int64) {
	n = w.Count(ctx)
	for _, life := range w.lives {
		if !life.Over() {
			_ = life.Do(ctx, packets.CallRemove, w.table, nil) // what stays counts on, and changes nothing
		}
	}
	return n
}
