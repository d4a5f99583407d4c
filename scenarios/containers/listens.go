package containers

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/moby/moby/client"
)

// listens returns nil when a container takes connections on one of its own ports. The engine's proxy takes them on the published
// port before the container does, and may keep them for a while on a busy machine. Where this machine does not reach the container's
// own address, listens knows nothing, and returns nil.
func (p *prepared) listens(ctx context.Context, id string, port string) error {
	if !p.local {
		return nil
	}
	inspected, err := p.engine.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return err
	}
	var failed []error
	for _, network := range inspected.Container.NetworkSettings.Networks {
		if !network.IPAddress.IsValid() {
			continue
		}
		address := net.JoinHostPort(network.IPAddress.String(), port)
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return c.Close()
		}
		failed = append(failed, err)
	}
	if len(failed) == 0 {
		return nil // it shares the network of another
	}
	return fmt.Errorf("port %s takes no connections: %w", port, errors.Join(failed...))
}

// portOfReady is the container's own port whose connections say that the service works; false: something else says so.
func (t *target) portOfReady(s *Service) (port uint16, ok bool) {
	outside := t.outside(t.ports)
	for _, port := range s.Ports {
		if s.Ready == nil || s.Ready.TCP == outside(s.Name, port) {
			return port, true
		}
	}
	return 0, false
}
