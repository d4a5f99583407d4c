package containers

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"wringer/faults/container"
)

// kept is a container that an earlier run left up.
type kept struct {
	id    string
	ports map[uint16]uint16 // of the engine's machine, by the container's port
	links map[string]string // addresses that it knows, by link
	hosts map[string]string // addresses that its hosts file has, by name
	stale bool              // its image is not what the image's name means now
}

// adopt looks for what an earlier run of the same configuration kept and no other run uses. Where there is nothing, p.adopted
// stays nil.
func (p *prepared) adopt(ctx context.Context) error {
	marks, err := p.engine.VolumeList(ctx, client.VolumeListOptions{
		Filters: make(client.Filters).Add("label", container.LabelKept+"="+p.config),
	})
	if err != nil {
		return err
	}
	for _, mark := range marks.Items {
		run := mark.Labels[container.LabelRun]
		found, err := p.standingOf(ctx, run)
		if err != nil {
			return err
		}
		if found == nil {
			continue
		}
		// Of two runs that find the same, the one that removes the mark has it.
		if _, err := p.engine.VolumeRemove(ctx, mark.Name, client.VolumeRemoveOptions{}); err != nil {
			if errdefs.IsNotFound(err) {
				continue
			}
			return fmt.Errorf("take over the kept run %s: %w", run, err)
		}
		p.run, p.network, p.adopted = run, networkOf(run), found
		p.gateway, err = p.addNetwork(ctx, p.network)
		p.local = !p.engine.Elsewhere && p.gateway.IsValid() && container.OnThisMachine(p.gateway)
		return err
	}
	return nil
}

// standingOf are the containers of a kept run; nil: one of their images has changed since, or this program has, of which their relays
// are a part.
func (p *prepared) standingOf(ctx context.Context, run string) (map[string]kept, error) {
	all, err := p.engine.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: make(client.Filters).Add("label", container.LabelRun+"="+run),
	})
	if err != nil {
		return nil, err
	}
	found := make(map[string]kept)
	for _, c := range all.Items {
		if c.Labels[container.LabelSidecar] != "" { // of a run that was killed
			continue
		}
		if c.Labels[container.LabelRelay] != "" {
			if image, _, err := p.engine.OwnName(ctx); err != nil || !strings.HasSuffix(c.Image, image) { // Podman puts a registry before it
				return nil, err
			}
			continue
		}
		k, err := p.inspect(ctx, c.ID)
		if err != nil || k.stale {
			return nil, err
		}
		found[c.Labels[container.LabelPart]] = k
	}
	return found, nil
}

// unadopt lets a later run find what was taken over in vain.
func (p *prepared) unadopt(ctx context.Context) error {
	if p.adopted == nil {
		return nil
	}
	return p.leave(context.WithoutCancel(ctx))
}

// leave marks what stays up, so that a later run finds it.
func (p *prepared) leave(ctx context.Context) error {
	_, err := p.engine.VolumeCreate(ctx, client.VolumeCreateOptions{
		Name: p.network + "-kept", Labels: map[string]string{container.LabelRun: p.run, container.LabelKept: p.config},
	})
	if err != nil {
		return fmt.Errorf("mark the kept run %s for the next: %w", p.run, err)
	}
	return nil
}

func (p *prepared) inspect(ctx context.Context, id string) (kept, error) {
	k := kept{id: id, ports: make(map[uint16]uint16), links: make(map[string]string), hosts: make(map[string]string)}
	inspected, err := p.engine.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return k, err
	}
	image, err := p.engine.ImageInspect(ctx, inspected.Container.Config.Image)
	if err != nil && !errdefs.IsNotFound(err) {
		return k, err
	}
	k.stale = err == nil && image.ID != inspected.Container.Image
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
	t.mu.Lock()
	t.restarts[s.Name] = inspected.Container.RestartCount
	t.mu.Unlock()
	part := container.New(spec)
	if err := part.Adopt(ctx); err != nil {
		return nil, fmt.Errorf("%w %s: %w", errKept, s.Name, err)
	}
	return part, nil
}
