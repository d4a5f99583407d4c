package containers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/moby/moby/client"

	"wringer/faults/container"
)

// kept is a container that an earlier run left up.
type kept struct {
	id    string
	ports map[uint16]uint16 // of the engine's machine, by the container's port
	links map[string]string // addresses that it knows, by link
	hosts map[string]string // addresses that its hosts file has, by name
}

// hash identifies a configuration and the folder in which its paths lie.
func hash(folder string, config any) (string, error) {
	raw, err := json.Marshal(config)
	if err != nil {
		return "", fmt.Errorf("hash the target: %w", err)
	}
	sum := sha256.Sum256(append([]byte(folder+"\n"), raw...))
	return hex.EncodeToString(sum[:16]), nil
}

// adopt looks for what an earlier run of the same configuration kept. Where there is nothing, p.adopted stays nil.
func (p *prepared) adopt(ctx context.Context) error {
	networks, err := p.engine.NetworkList(ctx, client.NetworkListOptions{
		Filters: make(client.Filters).Add("label", container.LabelConfig+"="+p.config),
	})
	if err != nil || len(networks.Items) == 0 {
		return err
	}
	p.run, p.network = networks.Items[0].Labels[container.LabelRun], networks.Items[0].Name
	all, err := p.engine.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: make(client.Filters).Add("label", container.LabelRun+"="+p.run),
	})
	if err != nil {
		return err
	}
	found := make(map[string]kept)
	for _, c := range all.Items {
		if c.Labels[container.LabelRelay] != "" {
			continue
		}
		k, err := p.inspect(ctx, c.ID)
		if err != nil {
			return err
		}
		found[c.Labels[container.LabelPart]] = k
	}
	p.adopted = found
	p.gateway, err = p.addNetwork(ctx, p.network, nil)
	p.local = p.gateway.IsValid() && container.OnThisMachine(p.gateway)
	return err
}

func (p *prepared) inspect(ctx context.Context, id string) (kept, error) {
	k := kept{id: id, ports: make(map[uint16]uint16), links: make(map[string]string), hosts: make(map[string]string)}
	inspected, err := p.engine.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return k, err
	}
	for port, bindings := range inspected.Container.HostConfig.PortBindings {
		for _, b := range bindings {
			if n, err := strconv.ParseUint(b.HostPort, 10, 16); err == nil {
				k.ports[port.Num()] = uint16(n)
			}
		}
	}
	for _, entry := range inspected.Container.HostConfig.ExtraHosts {
		if name, address, ok := strings.Cut(entry, ":"); ok {
			k.hosts[name] = address
		}
	}
	for label, address := range inspected.Container.Config.Labels {
		if link, ok := strings.CutPrefix(label, container.LabelLink); ok {
			k.links[link] = address
		}
	}
	return k, nil
}

// standing are the ports of what an earlier run kept. Every service must be there.
func (p *prepared) standing(services []Service) (published, error) {
	out := make(published)
	var gone []string
	for i := range services {
		s := &services[i]
		k, ok := p.adopted[s.Name]
		if !ok {
			gone = append(gone, s.Name)
			continue
		}
		out[s.Name] = make(map[uint16]uint16)
		for _, port := range s.Ports {
			out[s.Name][port] = k.ports[s.bound(port).Num()]
		}
	}
	if len(gone) > 0 {
		return nil, fmt.Errorf("of the kept run %s these containers are gone: %s; remove the rest with wringer cleanup and the folder of its record", p.run, strings.Join(gone, ", "))
	}
	return out, nil
}

// errKept says that what stands cannot be used.
var errKept = errors.New("take over the kept container")

// take makes the part of a container that an earlier run kept.
func (t *target) take(ctx context.Context, s *Service, spec container.Spec) (*container.Container, error) {
	spec.ID = t.adopted[s.Name].id
	inspected, err := t.engine.ContainerInspect(ctx, spec.ID, client.ContainerInspectOptions{})
	if err != nil {
		return nil, fmt.Errorf("%w %s: %w", errKept, s.Name, err)
	}
	if err := t.probe(s, &spec, checked(inspected.Container.Config.Healthcheck)); err != nil {
		return nil, fmt.Errorf("container %s: %w", s.Name, err)
	}
	part := container.New(spec)
	if err := part.Adopt(ctx); err != nil {
		return nil, fmt.Errorf("%w %s: %w", errKept, s.Name, err)
	}
	return part, nil
}
