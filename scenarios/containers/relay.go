package containers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"wringer/faults"
	"wringer/faults/container"
	"wringer/faults/relay"
	"wringer/scenarios"
)

// relayed is a relay: a container in the run's network that takes connections for links, and hands them on to this process.
type relayed struct {
	*relay.Relay
	part *container.Container
	host string // its address in the network
}

var (
	_ scenarios.Relaying = (*preparedConfig)(nil)
	_ scenarios.Relaying = (*preparedCompose)(nil)
)

// relayVariable is an environment variable whose value relay makes links listen in relays also where they need not.
const relayVariable = "WRINGER_LINKS"

// relayPort is the port of the container that the process connects to.
var relayPort = network.MustParsePort(strconv.Itoa(relay.ControlPort) + "/tcp")

// chooseRelay decides whether links listen in relays, and connects to those that an earlier run kept.
func (p *prepared) chooseRelay(ctx context.Context) error {
	switch value := os.Getenv(relayVariable); value {
	case "", "relay":
		p.byRelay = value == "relay" || !p.local
	default:
		return fmt.Errorf("%s=%s: the one value is relay", relayVariable, value)
	}
	if p.adopted == nil {
		return nil
	}
	kept, err := p.engine.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: make(client.Filters).Add("label", container.LabelRun+"="+p.run).Add("label", container.LabelRelay),
	})
	if err != nil {
		return err
	}
	number := func(c moby.Summary) string { return c.Labels[container.LabelRelay] }
	slices.SortFunc(kept.Items, func(a, b moby.Summary) int { return strings.Compare(number(a), number(b)) })
	for _, c := range kept.Items {
		host, err := p.startRelay(ctx, c.ID)
		if err != nil {
			return err
		}
		p.held = append(p.held, holder{host: host})
	}
	p.byRelay = len(kept.Items) > 0 || p.byRelay
	return nil
}

// addRelay makes one more relay, and returns its address in the run's network.
func (p *prepared) addRelay(ctx context.Context) (host string, err error) {
	image, err := p.engine.OwnImage(ctx, p.timed)
	if err != nil {
		return "", fmt.Errorf("links of containers need a relay here: %w", err)
	}
	number := strconv.Itoa(len(p.relays) + 1)
	made, err := p.engine.ContainerCreate(ctx, client.ContainerCreateOptions{
		Name: p.network + "-relay-" + number,
		Config: &moby.Config{
			Image: image, Entrypoint: []string{container.OwnProgram}, Cmd: []string{"relay"}, Env: []string{relay.TokenVariable + "=" + rand.Text()},
			Labels:       map[string]string{container.LabelRun: p.run, container.LabelRelay: number},
			ExposedPorts: network.PortSet{relayPort: {}},
		},
		HostConfig: &moby.HostConfig{
			NetworkMode: moby.NetworkMode(p.network), ReadonlyRootfs: true,
			PortBindings: network.PortMap{relayPort: {{HostIP: p.publishOn()}}},
		},
	})
	if err != nil {
		return "", fmt.Errorf("make a relay for links: %w", err)
	}
	err = p.timed("start", "relay-"+number, func() error {
		host, err = p.startRelay(ctx, made.ID)
		return err
	})
	return host, err
}

// relayWithin bounds the start of a relay.
const relayWithin = time.Minute

// startRelay starts a relay's container, unless it runs, and connects to the relay.
func (p *prepared) startRelay(ctx context.Context, id string) (host string, err error) {
	r := &relayed{}
	r.part = container.New(container.Spec{
		Engine: p.engine, ID: id, Name: "of a relay for links", Within: relayWithin,
		Ready: func(ctx context.Context) error {
			address, token, err := p.inspectRelay(ctx, id, r)
			if err != nil {
				return err
			}
			if err := p.within(ctx, address); err != nil {
				return err
			}
			r.Relay, err = relay.Dial(ctx, faults.Network{}.Dial, address, token)
			return err
		},
	})
	if err := r.part.Start(ctx); err != nil {
		return "", err
	}
	p.relays = append(p.relays, r)
	return r.host, nil
}

// inspectRelay asks the engine where the relay is reached: by this process at address, and by containers at r.host.
func (p *prepared) inspectRelay(ctx context.Context, id string, r *relayed) (address, token string, err error) {
	seen, err := p.engine.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return "", "", err
	}
	settings := seen.Container.NetworkSettings
	if in := settings.Networks[p.network]; in == nil || !in.IPAddress.IsValid() {
		return "", "", fmt.Errorf("it has no address in the network %s", p.network)
	} else {
		r.host = in.IPAddress.String()
	}
	for _, b := range settings.Ports[relayPort] {
		address = net.JoinHostPort(p.host(), b.HostPort)
	}
	if address == "" {
		return "", "", errors.New("its port is not published")
	}
	for _, entry := range seen.Container.Config.Env {
		if value, ok := strings.CutPrefix(entry, relay.TokenVariable+"="); ok {
			token = value
		}
	}
	return address, token, nil
}

// relayAt is the relay with an address in the network; nil: there is none.
func (p *prepared) relayAt(address string) *relayed {
	host, _, _ := net.SplitHostPort(address)
	for _, r := range p.relays {
		if r.host == host {
			return r
		}
	}
	return nil
}

// reachRelays puts a service that names lead to links into the run's network too, where the relays are.
func (p *prepared) reachRelays(s *Service) {
	if _, in := s.Networks[p.network]; p.byRelay && len(s.Hosts) > 0 && s.Networks != nil && s.Join == "" && !in {
		s.Networks[p.network] = nil
	}
}

// listenWithin bounds how long a relay may take to listen.
const listenWithin = 30 * time.Second

// Listen implements scenarios.Relaying.
func (p *prepared) Listen(address string) (l net.Listener, ok bool, err error) {
	r := p.relayAt(address)
	if r == nil {
		return nil, false, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), listenWithin)
	defer cancel()
	l, err = r.Relay.Listen(ctx, address)
	return l, true, err
}

// RelayCost implements scenarios.Relaying.
func (p *prepared) RelayCost(address string) (time.Duration, error) {
	r := p.relayAt(address)
	if r == nil {
		return 0, nil
	}
	return r.RoundTrip()
}

// RelayBroken implements scenarios.Relaying.
func (p *prepared) RelayBroken() error {
	var all []error
	for _, r := range p.relays {
		all = append(all, r.Broken())
	}
	return errors.Join(all...)
}

// closeRelays ends the relays. Those that stay take no connections until a later run listens there.
func (p *prepared) closeRelays(ctx context.Context, stay bool) error {
	var all []error
	for _, r := range p.relays {
		all = append(all, r.Relay.Close())
		if stay {
			all = append(all, r.part.Detach(ctx))
		} else {
			all = append(all, r.part.Close(ctx))
		}
	}
	return errors.Join(all...)
}
