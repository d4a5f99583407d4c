package netcut

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"wringer/faults"
	"wringer/faults/container"
	"wringer/faults/container/force"
)

// Disconnect is the fault `disconnect: NAME`: a container is taken out of all its networks.
type Disconnect struct {
	Disconnect string `yaml:"disconnect" jsonschema:"required" jsonschema_description:"The container of the target that is taken out of all its networks: it loses every peer, name service and its published ports. It comes back with its addresses and names."`
}

// Check implements faults.Config.
func (c *Disconnect) Check(problem func(field, message string)) {
	if c.Disconnect == "" {
		problem("disconnect", "names no container")
	}
}

// Kind implements faults.Config.
func (*Disconnect) Kind() string { return "disconnect" }

// On implements faults.Config.
func (c *Disconnect) On() faults.Place { return faults.Place{Part: c.Disconnect} }

// Seizes implements faults.Seizing.
func (c *Disconnect) Seizes() string { return c.Disconnect }

// Excludes implements faults.Exclusive.
func (c *Disconnect) Excludes(other faults.Config) bool { return faults.SeizeTheSame(c, other) }

// Describe implements faults.Config.
func (c *Disconnect) Describe() faults.Description {
	return faults.Description{Words: "disconnect " + c.Disconnect + " from all networks"}
}

// Open implements faults.Config.
func (c *Disconnect) Open(env faults.Env) (faults.Fault, error) {
	part, err := env.Part(c.Disconnect)
	if err != nil {
		return nil, err
	}
	box, ok := part.(*container.Container)
	if !ok {
		return nil, faults.ErrUnsupported{Part: c.Disconnect, Verb: "disconnect: it is no container; break its links"}
	}
	d := &disconnect{container: box}
	if err := box.PrepareToCount(context.Background()); err != nil {
		d.uncounted = err.Error()
	}
	return force.New(c.Describe().Words, DisconnectUndoKind, env.Journal, d), nil
}

// DisconnectUndoKind is the kind of a disconnection's entries in a journal.
const DisconnectUndoKind = "container-disconnect"

// disconnect implements force.Mechanism.
type disconnect struct {
	container *container.Container
	left      leftDisconnect
	published network.PortMap // before
	life      container.Life  // the zero value: it is out of reach
	calls     *container.Calls
	uncounted string // why not all that it meets is counted; empty: it is

	mu                   sync.Mutex
	open, refused, lost  int64 // in force: connections that were cut, dials that failed, packets without a way
	called               int64 // in force: what other containers sent to it
	dialBase, packetBase int64
	before               int64 // by earlier injections
}

// leftDisconnect is what a killed run left: a container without its networks.
type leftDisconnect struct {
	Place     container.Place       `json:"place"`
	Endpoints map[string]attachment `json:"endpoints"` // by the network's identity
}

// attachment is how a container hangs in a network.
type attachment struct {
	Address  netip.Addr        `json:"address,omitzero"`
	Address6 netip.Addr        `json:"address6,omitzero"`
	Aliases  []string          `json:"aliases,omitempty"`
	Links    []string          `json:"links,omitempty"`
	MAC      string            `json:"mac,omitempty"`
	Options  map[string]string `json:"options,omitempty"`
}

// Prepare implements force.Mechanism.
func (d *disconnect) Prepare(ctx context.Context) (any, error) {
	c := d.container
	inspected, err := c.Engine().ContainerInspect(ctx, c.ID(), client.ContainerInspectOptions{})
	if err != nil {
		return nil, err
	}
	if !inspected.Container.State.Running {
		return nil, fmt.Errorf("container %s does not run", c.Name())
	}
	d.left = leftDisconnect{Place: c.Place(), Endpoints: make(map[string]attachment)}
	for name, n := range inspected.Container.NetworkSettings.Networks {
		if name == "host" || name == "none" {
			return nil, fmt.Errorf("container %s uses network %s, which it cannot leave", c.Name(), name)
		}
		d.left.Endpoints[n.NetworkID] = attached(n, c.ID())
	}
	if len(d.left.Endpoints) == 0 {
		return nil, fmt.Errorf("container %s is in no network", c.Name())
	}
	d.published = inspected.Container.NetworkSettings.Ports
	d.life, _ = c.Life(ctx) // of one that is out of reach the sockets are unknown
	d.calls = c.WatchCalls(ctx, inspected.Container.NetworkSettings)
	open, lost := int64(d.life.Connections(ctx)), d.life.NoRoute(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open, d.refused, d.lost, d.called = open, 0, 0, 0
	d.dialBase, d.packetBase = c.Refusals(), lost
	return d.left, nil
}

// attached describes an endpoint. The engine adds the container's short identity to the aliases by itself.
func attached(n *network.EndpointSettings, id string) attachment {
	return attachment{
		Address: n.IPAddress, Address6: n.GlobalIPv6Address, Links: n.Links, MAC: n.MacAddress.String(), Options: n.DriverOpts,
		Aliases: slices.DeleteFunc(slices.Clone(n.Aliases), func(alias string) bool { return strings.HasPrefix(id, alias) }),
	}
}

// Break implements force.Mechanism.
func (d *disconnect) Break(ctx context.Context) error {
	c := d.container
	for _, id := range slices.Sorted(maps.Keys(d.left.Endpoints)) {
		if _, err := c.Engine().NetworkDisconnect(ctx, id, client.NetworkDisconnectOptions{Container: c.ID()}); err != nil {
			return err
		}
	}
	return nil
}

// Look implements force.Mechanism.
func (d *disconnect) Look(ctx context.Context) {
	dials, packets, called := d.container.Refusals(), d.life.NoRoute(ctx), d.calls.Count(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refused, d.called = dials-d.dialBase, called
	if !d.life.Over() {
		d.lost = max(d.lost, packets-d.packetBase)
	}
}

// Mend implements force.Mechanism.
func (d *disconnect) Mend(ctx context.Context) error {
	called := d.calls.Close(ctx)
	if err := d.left.reconnect(ctx, d.container.Engine()); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.before += d.open + d.refused + d.lost + called
	d.open, d.refused, d.lost, d.called = 0, 0, 0, 0
	return nil
}

// reconnect puts the container back into the networks that it has lost.
func (l *leftDisconnect) reconnect(ctx context.Context, e *container.Engine) error {
	inspected, err := e.ContainerInspect(ctx, l.Place.ID, client.ContainerInspectOptions{})
	if err != nil {
		return err
	}
	there := make(map[string]bool)
	for _, n := range inspected.Container.NetworkSettings.Networks {
		there[n.NetworkID] = true
	}
	var failed []error
	for _, id := range slices.Sorted(maps.Keys(l.Endpoints)) {
		if there[id] {
			continue
		}
		_, err := e.NetworkConnect(ctx, id, client.NetworkConnectOptions{Container: l.Place.ID, EndpointConfig: l.Endpoints[id].settings()})
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

func (a attachment) settings() *network.EndpointSettings {
	s := &network.EndpointSettings{
		IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: a.Address, IPv6Address: a.Address6},
		Aliases:    a.Aliases, Links: a.Links, DriverOpts: a.Options,
	}
	_ = s.MacAddress.UnmarshalText([]byte(a.MAC))
	return s
}

// Whole implements force.Mechanism: the container has its addresses, names and published ports again.
func (d *disconnect) Whole(ctx context.Context) error {
	if len(d.left.Endpoints) == 0 {
		return nil // it was never in force
	}
	c := d.container
	inspected, err := c.Engine().ContainerInspect(ctx, c.ID(), client.ContainerInspectOptions{})
	if err != nil {
		return err
	}
	there := make(map[string]attachment)
	for _, n := range inspected.Container.NetworkSettings.Networks {
		there[n.NetworkID] = attached(n, c.ID())
	}
	for id, before := range d.left.Endpoints {
		now, ok := there[id]
		switch {
		case !ok:
			return fmt.Errorf("it is not in network %.12s", id)
		case now.Address != before.Address || now.Address6 != before.Address6:
			return fmt.Errorf("its address is %v, and was %v", now.Address, before.Address)
		case !slices.Equal(slices.Sorted(slices.Values(now.Aliases)), slices.Sorted(slices.Values(before.Aliases))):
			return fmt.Errorf("its names are %v, and were %v", now.Aliases, before.Aliases)
		}
	}
	for port, before := range d.published {
		if now := inspected.Container.NetworkSettings.Ports[port]; !slices.Equal(now, before) {
			return fmt.Errorf("its port %v is published as %v, and was %v", port, now, before)
		}
	}
	return c.Ready(ctx)
}

// Bite implements force.Mechanism.
func (d *disconnect) Bite() faults.Bite {
	d.mu.Lock()
	defer d.mu.Unlock()
	met := d.before + d.open + d.refused + d.lost + d.called
	b := faults.Bite{Bit: met > 0, Connections: -1, Bytes: -1}
	if !b.Bit {
		b.Unmeasured = d.uncounted
	}
	return b
}

// UndoDisconnect puts the container of a run that was killed back into its networks.
func UndoDisconnect(ctx context.Context, data json.RawMessage) error {
	var l leftDisconnect
	if err := json.Unmarshal(data, &l); err != nil {
		return fmt.Errorf("entry of a disconnection: %w", err)
	}
	return l.Place.Undo(ctx, func(e *container.Engine) error { return l.reconnect(ctx, e) })
}
