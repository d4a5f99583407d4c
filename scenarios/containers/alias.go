package containers

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/moby/client"

	"wringer/faults/container"
)

// alias leads a caller's connections to another name to a link.
type alias struct{ caller, callee, address string }

// holder is an address where links listen, on these ports.
type holder struct {
	host  string
	ports []uint16
}

// Alias implements scenarios.Aliased. Links that take the same port listen at different addresses.
func (p *prepared) Alias(ctx context.Context, caller, callee string, ports []uint16) (string, error) {
	host, err := p.aliasAddress(ctx, caller, callee, ports)
	if err != nil {
		return "", err
	}
	for i := range p.held {
		if p.held[i].host == host {
			p.held[i].ports = append(p.held[i].ports, ports...)
		}
	}
	p.aliases = append(p.aliases, alias{caller, callee, host})
	return host, nil
}

// aliasAddress is where a link listens in the place of the callee. A caller that an earlier run kept knows the address already.
func (p *prepared) aliasAddress(ctx context.Context, caller, callee string, ports []uint16) (string, error) {
	if p.adopted == nil {
		return p.addressFor(ctx, ports)
	}
	host := ""
	for part, k := range p.adopted {
		if !p.keptPartOf(part, caller) {
			continue
		}
		if host = k.hosts[callee]; host == "" {
			return "", fmt.Errorf("the kept container %s was made without this link, so that it would not meet it: end it with wringer cleanup, or run without --reuse", part)
		}
	}
	if host == "" {
		return "", fmt.Errorf("no kept container of %s is left: end the rest with wringer cleanup, or run without --reuse", caller)
	}
	return host, nil
}

// keptPartOf says that a kept container is one of the caller's: it has the caller's name, or is one of several alike.
func (p *prepared) keptPartOf(part, caller string) bool {
	if _, alone := p.adopted[caller]; alone {
		return part == caller
	}
	number, several := strings.CutPrefix(part, caller+"-")
	_, err := strconv.Atoi(number)
	return several && err == nil
}

// addressFor is an address that the containers reach, and on which no other link holds one of the ports: the gateway of a network,
// which is an address of this machine, or a relay.
func (p *prepared) addressFor(ctx context.Context, ports []uint16) (string, error) {
	if p.held == nil && !p.byRelay {
		p.held = []holder{{host: p.gateway.String()}}
	}
	for _, h := range p.held {
		if !slices.ContainsFunc(ports, func(port uint16) bool { return slices.Contains(h.ports, port) }) {
			return h.host, nil
		}
	}
	add := p.addGateway
	if p.byRelay {
		add = p.addRelay
	}
	host, err := add(ctx)
	if err == nil {
		p.held = append(p.held, holder{host: host})
	}
	return host, err
}

// addGateway makes one more network, and returns its gateway.
func (p *prepared) addGateway(ctx context.Context) (string, error) {
	gateway, err := p.addNetwork(ctx, fmt.Sprintf("%s-%d", p.network, len(p.held)))
	if err != nil {
		return "", err
	}
	if !container.OnThisMachine(gateway) {
		return "", fmt.Errorf("the gateway %v of a second network is no address of this machine", gateway)
	}
	return gateway.String(), nil
}

// addNetwork makes a network of the run, or finds the one that an earlier run kept, and returns its gateway.
func (p *prepared) addNetwork(ctx context.Context, name string) (gateway netip.Addr, err error) {
	if p.adopted == nil {
		options := client.NetworkCreateOptions{Driver: "bridge", Labels: map[string]string{container.LabelRun: p.run}}
		if _, err := p.createNetwork(ctx, name, options); err != nil {
			return gateway, fmt.Errorf("make the network %s: %w", name, err)
		}
	}
	seen, err := p.engine.NetworkInspect(ctx, name, client.NetworkInspectOptions{})
	if err != nil {
		return gateway, fmt.Errorf("find the network %s: %w", name, err)
	}
	for _, c := range seen.Network.IPAM.Config {
		if c.Gateway.Is4() {
			gateway = c.Gateway
		}
	}
	return gateway, nil
}

// CheckAlias implements scenarios.Aliasing.
func (c *Config) CheckAlias(caller, callee string, ports []uint16) error {
	for _, end := range []string{caller, callee} {
		if (*c)[end] == nil {
			return fmt.Errorf("there is no container %q; there are %s", end, strings.Join(c.names(), ", "))
		}
	}
	if caller == callee {
		return errors.New("the caller and the callee are the same container")
	}
	of := (*c)[callee]
	for _, port := range ports {
		if !slices.Contains(of.ports(), port) {
			return fmt.Errorf("port %d is not in ports of %s: wringer must reach it there", port, callee)
		}
	}
	if n := len(of.parts(callee)); n > 1 {
		return severalParts(callee, n)
	}
	if (*c)[caller].Hosts[callee] != "" {
		return fmt.Errorf("hosts of %s leads %s elsewhere; remove one of the two", caller, callee)
	}
	return nil
}

// severalParts says why a link takes the place of one container alone.
func severalParts(callee string, n int) error {
	return fmt.Errorf("%s is %d containers, with a name each: a link in the place of one would miss the others; let %s be one container, or point the caller at a link with upstream",
		callee, n, callee)
}

// hosts are the entries that lead a caller to the links that stand in place of others.
func (p *prepared) hosts(caller string) []Host {
	var all []Host
	for _, a := range p.aliases {
		if a.caller == caller {
			all = append(all, Host{Name: a.callee, Address: a.address})
		}
	}
	return all
}
