package shop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"wringer/faults"
	"wringer/scenarios"
)

// Shop is a running shop. It implements scenarios.Target.
type Shop struct {
	network faults.Network
	vars    map[string]string
	ledger  *ledger
	parts   map[string]faults.Part
	closers []func() // in the order of opening
	closed  sync.Once
	force   func() // ends the work that close waits for
}

// The linger of the producers. An order waits for its event; the others batch.
const (
	eventLinger    = time.Millisecond
	shipmentLinger = 2 * time.Millisecond
	callLinger     = 20 * time.Millisecond
)

// Open starts a shop and returns once it serves. With an error, nothing is left running. The configuration must have been
// checked.
func Open(ctx context.Context, c Config, env scenarios.TargetEnv) (*Shop, error) {
	s := &Shop{network: env.Network, ledger: newLedger(), parts: make(map[string]faults.Part)}
	if err := s.open(ctx, &c, env); err != nil {
		s.closeAll()
		return nil, err
	}
	return s, nil
}

func (s *Shop) open(ctx context.Context, c *Config, env scenarios.TargetEnv) error {
	rest, err := s.listen("rest", c.Rest)
	if err != nil {
		return err
	}
	grpc, err := s.listen("grpc", c.GRPC)
	if err != nil {
		return err
	}
	brokers, err := openBrokers(s.network, c.Kafka, c.partitions())
	if err != nil {
		return err
	}
	s.closers = append(s.closers, brokers.close)
	s.force = brokers.cluster.Close
	s.parts[partKafka] = brokersPart{brokers}
	addresses := brokers.addresses()
	s.vars = map[string]string{
		"rest": "http://" + rest.Addr().String(), "grpc": grpc.Addr().String(), "kafka": brokerList(addresses),
	}
	names, err := s.nameQueues(c)
	if err != nil {
		return err
	}
	env.Tell(s.vars) // before any call goes over a link
	if _, err := s.openInventory(grpc, addresses); err != nil {
		return err
	}
	reader := addresses
	if c.Reader != "" {
		reader = strings.Split(c.Reader, ",")
	}
	if err := env.Within(ctx, reader...); err != nil {
		return err
	}
	if _, err := s.openFulfilment(ctx, reader, c, brokersSession); err != nil {
		return err
	}
	stock := cmp.Or(c.Stock, grpc.Addr().String())
	if c.Broker != "" {
		addresses = strings.Split(c.Broker, ",")
	}
	if err := env.Within(ctx, append(slices.Clone(addresses), stock)...); err != nil {
		return err
	}
	q, err := s.openQueues(ctx, c, names, env)
	if err != nil {
		return err
	}
	_, err = s.openOrders(rest, stock, addresses, q, c, env.Seed)
	return err
}

// nameQueues tells where the leg over RabbitMQ is, and returns its names; none without that leg.
func (s *Shop) nameQueues(c *Config) (queueNames, error) {
	if c.AMQP == nil {
		return queueNames{}, nil
	}
	uri, err := parseBroker(c.AMQP.URL)
	if err != nil {
		return queueNames{}, fmt.Errorf("shop: amqp.url %w", err)
	}
	names := newQueueNames()
	s.vars["amqp"], s.vars["commands"], s.vars["events"], s.vars["letters"] = brokerAddress(uri), names.commands, names.events, names.letters
	return names, nil
}

// openQueues opens the leg over RabbitMQ; nil without one.
func (s *Shop) openQueues(ctx context.Context, c *Config, names queueNames, env scenarios.TargetEnv) (*queues, error) {
	if c.AMQP == nil {
		return nil, nil
	}
	direct := s.vars["amqp"]
	orders, reached := cmp.Or(c.AMQP.Orders, direct), cmp.Or(c.AMQP.Worker, direct)
	if err := env.Within(ctx, direct, orders, reached); err != nil {
		return nil, err
	}
	q, err := openQueues(ctx, s.network, c, names, s.ledger)
	if err != nil {
		return nil, err
	}
	w := newWorker(q, q.client(reached, false))
	s.closers = append(s.closers, func() {
		q.cancel()
		_ = w.Kill(context.Background()) // ends: its work ended with the line above
		w.client.close()
		q.close()
	})
	if err := errors.Join(w.Start(ctx), w.Ready(ctx)); err != nil {
		return nil, fmt.Errorf("shop: start the worker: %w", err)
	}
	s.parts[partWorker] = w
	return q, nil
}

// listen opens a listener that closes with the shop, whether or not a server took it over.
func (s *Shop) listen(field, address string) (net.Listener, error) {
	l, err := listen(s.network, field, address)
	if err == nil {
		s.closers = append(s.closers, func() { _ = l.Close() })
	}
	return l, err
}

func (s *Shop) publisher(addresses []string, linger time.Duration) (*publisher, error) {
	p, err := openPublisher(s.network, addresses, linger)
	if err == nil {
		s.closers = append(s.closers, p.close)
	}
	return p, err
}

func (s *Shop) openInventory(l net.Listener, addresses []string) (*inventoryPart, error) {
	calls, err := s.publisher(addresses, callLinger)
	if err != nil {
		return nil, err
	}
	log := openCallLog(calls)
	s.closers = append(s.closers, log.close)
	service, err := newInventoryServer(newInventory(s.ledger), log)
	if err != nil {
		return nil, err
	}
	part := openInventoryPart(s.network, l, service)
	s.closers = append(s.closers, part.stop)
	s.parts[partInventory] = part
	return part, nil
}

func (s *Shop) openFulfilment(ctx context.Context, addresses []string, c *Config, timeout time.Duration) (*fulfilment, error) {
	shipments, err := s.publisher(addresses, shipmentLinger)
	if err != nil {
		return nil, err
	}
	f := &fulfilment{
		network: s.network, brokers: addresses, timeout: timeout, shipments: shipments, ledger: s.ledger, defects: defectSet(c.Defects),
		shipped: newBoundedMap[string, bool](memoryLimit),
		inForce: make(map[string]bool),
	}
	if err := f.open(ctx); err != nil {
		return nil, err
	}
	s.closers = append(s.closers, f.close)
	s.parts[partFulfilment] = f
	return f, nil
}

func (s *Shop) openOrders(l net.Listener, inventory string, addresses []string, q *queues, c *Config, seed uint64) (*restServer, error) {
	events, err := s.publisher(addresses, eventLinger)
	if err != nil {
		return nil, err
	}
	client, err := openInventoryClient(s.network, inventory, c)
	if err != nil {
		return nil, err
	}
	shopCtx, end := context.WithCancel(context.Background())
	o := newOrders(shopCtx, c, seed, client, events, s.ledger)
	o.queues = q
	server := openRest(shopCtx, l, o, s.ledger)
	s.closers = append(s.closers, client.close, func() {
		end()
		server.close()
		o.close()
	})
	return server, nil
}

// Vars implements scenarios.Target.
func (s *Shop) Vars() map[string]string { return s.vars }

// Parts implements scenarios.Target.
func (s *Shop) Parts() map[string]faults.Part { return s.parts }

// Audit returns every effect that the shop applied so far.
func (s *Shop) Audit() Audit { return s.ledger.audit() }

// Close implements scenarios.Target. It is idempotent.
func (s *Shop) Close(ctx context.Context) error {
	err := within(ctx, func() error { s.closed.Do(s.closeAll); return nil })
	if err != nil {
		s.force()
		return fmt.Errorf("shop: close: %w", err)
	}
	return nil
}

// closeAll closes in the reverse order of opening: callers before the services that they call. Nothing stays paused, so
// everything ends by itself.
func (s *Shop) closeAll() {
	for _, p := range s.parts {
		_ = p.Resume(context.Background()) // ends a pause: cannot fail
	}
	for _, c := range slices.Backward(s.closers) {
		c()
	}
}
