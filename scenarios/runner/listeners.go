package runner

import (
	"cmp"
	"context"
	"fmt"
	"net"

	"wringer/drivers"
)

// openListeners opens what the target calls, and adds the addresses to the variables.
func (e *Experiment) openListeners(ctx context.Context) error {
	e.listeners = make(map[string]drivers.Listener)
	for i := range e.scenario.Traffic {
		stream := &e.scenario.Traffic[i]
		for j := range stream.Places {
			p := &stream.Places[j]
			c, ok := p.Source.(drivers.Listening)
			if !ok {
				continue
			}
			name := stream.ListenerOf(p)
			l, err := c.Listen(func(address string) (net.Listener, error) { return e.listenFor(ctx, name, address) })
			if err != nil {
				return fmt.Errorf("%w: effects %s: %w", ErrScenario, name, err)
			}
			e.closers.add(l.Close)
			e.listeners[name] = l
			e.addresses.add("effects.", map[string]string{name: l.URL()})
		}
	}
	return nil
}

// listenFor listens where the scenario says, else where the target's parts reach this process.
func (e *Experiment) listenFor(ctx context.Context, name, address string) (net.Listener, error) {
	if address == "" && e.prepared != nil {
		at, err := e.prepared.LinkAddress(ctx, "effects-"+name)
		if err != nil {
			return nil, err
		}
		address = at
	}
	return e.network().Listen("tcp", cmp.Or(address, "127.0.0.1:0"))
}
