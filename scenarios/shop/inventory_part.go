package shop

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/stats"

	"wringer/faults"
)

const partInventory = "inventory"

// inventoryPart runs the inventory's server, and pauses and kills it.
//
// While it is paused, calls arrive and hang until it resumes or their callers give up. A kill closes the listener and every
// connection; the reservations stay in the database. Calls refused by a dead server cannot be counted. The connections in
// use that a kill closed are counted instead, and the calls in flight.
type inventoryPart struct {
	network faults.Network
	service *inventoryServer
	address string
	cut     atomic.Int64 // connections in use and calls in flight that kills ended

	mu     sync.Mutex
	server *grpc.Server // nil while killed
	conns  *connections
	served sync.WaitGroup
}

// openInventoryPart takes over the listener.
func openInventoryPart(network faults.Network, l net.Listener, service *inventoryServer) *inventoryPart {
	p := &inventoryPart{network: network, service: service, address: l.Addr().String()}
	p.serve(l)
	return p
}

// serve needs p.mu, or a p that is not shared yet.
func (p *inventoryPart) serve(l net.Listener) {
	conns := &connections{inUse: make(map[*connection]bool)}
	server := p.service.build(grpc.StatsHandler(conns))
	p.server, p.conns = server, conns
	p.served.Go(func() { _ = server.Serve(l) }) // ends by Stop, without an error
}

func (p *inventoryPart) Pause(context.Context) error  { p.service.pausePoint.pause(); return nil }
func (p *inventoryPart) Resume(context.Context) error { p.service.pausePoint.resume(); return nil }

// Kill implements faults.Part.
func (p *inventoryPart) Kill(ctx context.Context) error {
	return within(ctx, func() error { p.stop(); return nil })
}

func (p *inventoryPart) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server == nil {
		return
	}
	p.cut.Add(p.conns.count() + p.service.underway.Load())
	p.server.Stop()
	p.served.Wait()
	p.server = nil
}

// drain accepts no further connection, and waits until the calls in progress are answered, at most until ctx ends.
func (p *inventoryPart) drain(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server != nil {
		_ = within(ctx, func() error { p.server.GracefulStop(); return nil }) // stop ends the rest
	}
}

// Start implements faults.Part, on the same port as before. Another program may have taken the port meanwhile. Linux makes
// that unlikely: while ports last, it assigns outgoing ports apart from those of listeners.
func (p *inventoryPart) Start(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server != nil {
		return nil
	}
	l, err := listen(p.network, "grpc", p.address)
	if err != nil {
		return err
	}
	p.serve(l)
	return nil
}

func (p *inventoryPart) Met() int64 { return p.service.pausePoint.held.Load() + p.cut.Load() }

// Ready implements faults.Part, over a connection of its own.
func (p *inventoryPart) Ready(ctx context.Context) error {
	conn, err := grpc.NewClient(p.address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(overTCP(p.network)))
	if err != nil {
		return err
	}
	defer conn.Close()
	answer, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: inventoryService})
	if err != nil {
		return err
	}
	if answer.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		return fmt.Errorf("%s is %s", inventoryService, answer.Status)
	}
	return nil
}

// connections counts the open connections that carried a call of the inventory service. Requests for health or reflection
// are no traffic. It is a stats.Handler.
type connections struct {
	mu    sync.Mutex
	inUse map[*connection]bool
}

type connection struct{ used atomic.Bool }

type connectionKey struct{}

func (c *connections) count() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int64(len(c.inUse))
}

func (c *connections) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context {
	return context.WithValue(ctx, connectionKey{}, &connection{})
}

func (c *connections) HandleConn(ctx context.Context, s stats.ConnStats) {
	if _, ended := s.(*stats.ConnEnd); ended {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.inUse, ctx.Value(connectionKey{}).(*connection))
	}
}

func (c *connections) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	conn := ctx.Value(connectionKey{}).(*connection)
	if strings.HasPrefix(info.FullMethodName, "/"+inventoryService+"/") && !conn.used.Swap(true) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.inUse[conn] = true
	}
	return ctx
}

func (c *connections) HandleRPC(context.Context, stats.RPCStats) {}
