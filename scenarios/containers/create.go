package containers

import (
	"context"
	"maps"
	"net"
	"slices"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"wringer/faults/container"
)

// create makes the container without starting it. join is the container whose network it shares; empty: it has its own. health says that its image or configuration has a health check.
func (p *prepared) create(ctx context.Context, s *Service, ports map[uint16]uint16, join string) (id string, health bool, err error) {
	request := testcontainers.ContainerRequest{
		Image: s.Image, Entrypoint: s.Entrypoint, Cmd: s.Command, Env: s.Env,
		Name:           p.network + "-" + s.Name,
		Labels:         map[string]string{container.LabelRun: p.run, container.LabelPart: s.Name},
		NetworkAliases: s.Networks,
	}
	if s.Networks == nil {
		request.NetworkAliases = map[string][]string{p.network: append([]string{s.Name}, s.Aliases...)}
	}
	request.Networks = slices.Sorted(maps.Keys(request.NetworkAliases))
	for link, address := range p.linked {
		request.Labels[container.LabelLink+link] = address
	}
	for _, f := range s.Files {
		request.Files = append(request.Files, testcontainers.ContainerFile{
			HostFilePath: f.Source, Reader: f.Text, ContainerFilePath: f.Path, FileMode: f.Mode,
		})
	}
	// The library publishes an image's own ports where none are asked for: what is published is set after it has chosen.
	var config *moby.Config
	var host *moby.HostConfig
	request.ConfigModifier = func(c *moby.Config) { config = c }
	request.HostConfigModifier = func(h *moby.HostConfig) { host = h }
	request.LifecycleHooks = []testcontainers.ContainerLifecycleHooks{{
		PreCreates: []testcontainers.ContainerRequestHook{func(context.Context, testcontainers.ContainerRequest) error {
			p.settle(s, ports, config, host)
			if join != "" {
				host.NetworkMode = moby.NetworkMode("container:" + join)
			}
			return nil
		}},
	}}
	made, err := p.engine.Provider.CreateContainer(ctx, request)
	if err != nil {
		return "", false, err
	}
	inspected, err := p.engine.ContainerInspect(ctx, made.GetContainerID(), client.ContainerInspectOptions{})
	if err != nil {
		return "", false, err
	}
	return made.GetContainerID(), checked(inspected.Container.Config.Healthcheck), nil
}

// checked says that there is a health check.
func checked(check *moby.HealthConfig) bool {
	return check != nil && len(check.Test) > 0 && check.Test[0] != "NONE"
}

// settle sets what the library has no words for.
func (p *prepared) settle(s *Service, ports map[uint16]uint16, config *moby.Config, host *moby.HostConfig) {
	config.Hostname = s.Name
	config.ExposedPorts, host.PortBindings = make(network.PortSet), make(network.PortMap)
	for port, outer := range ports {
		config.ExposedPorts[s.bound(port)] = struct{}{}
		host.PortBindings[s.bound(port)] = []network.PortBinding{{HostIP: p.publishOn(), HostPort: portText(outer)}}
	}
	for _, h := range s.Hosts {
		address := h.Address
		if only, _, err := net.SplitHostPort(address); err == nil {
			address = only // of ${links.NAME}: a hosts file has no ports
		}
		host.ExtraHosts = append(host.ExtraHosts, h.Name+":"+address)
	}
	if s.Change != nil {
		s.Change(config, host)
	}
}

// bound is the port of the container that takes the connections of port from outside.
func (s *Service) bound(port uint16) network.Port {
	if through := s.Through[port]; through != 0 {
		port = through
	}
	return network.MustParsePort(portText(port) + "/tcp")
}
