package shop

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"wringer/faults"
)

// ServiceConfig configures one of the shop's services as a program of its own, before brokers that are not embedded.
type ServiceConfig struct {
	Name      string        // one of ServiceNames
	Listen    string        // the address of its interface; default: DefaultListen
	Kafka     string        // the brokers to ask first, with commas
	Inventory string        // the address of the inventory; orders alone
	Replicas  int           // of the topics that it creates; 0: as many as there are brokers or Kafka names, at most 3
	Within    time.Duration // how long the start may wait for the brokers; 0: DefaultWithin
	Session   time.Duration // so long after a kill its partitions go to another member; 0: DefaultSession. Fulfilment alone

	// Config holds the partitions, the defects and the settings of the calls. Its addresses are not used.
	Config Config
}

// The defaults of a service. The group's session is one that the brokers of a default configuration accept.
const (
	DefaultWithin  = 3 * time.Minute
	DefaultSession = 10 * time.Second
	partOrders     = "orders"
	maxReplicas    = 100
)

// ServiceNames lists the services.
func ServiceNames() []string { return []string{partOrders, partInventory, partFulfilment} }

// ofFulfilment lists the defects of fulfilment. The others are of orders; the inventory has none.
var ofFulfilment = []string{CommitFirst, Redeliver}

// HasDefect reports whether the defect is one of the service.
func HasDefect(service, defect string) bool {
	return service == partFulfilment == slices.Contains(ofFulfilment, defect) && service != partInventory && !queueDefects[defect]
}

// DefaultListen is the address that a service listens on.
func DefaultListen(service string) string {
	return "127.0.0.1:" + map[string]string{partOrders: "8080", partInventory: "9090", partFulfilment: "8081"}[service]
}

// Check reports the problems of the configuration.
func (c *ServiceConfig) Check(problem func(field, message string)) {
	if !slices.Contains(ServiceNames(), c.Name) {
		problem("name", fmt.Sprintf("unknown service %q: there are %s", c.Name, strings.Join(ServiceNames(), ", ")))
	}
	if err := checkAddress("listen address", c.Listen); err != nil {
		problem("listen", err.Error())
	}
	for _, address := range c.brokers() {
		if err := checkAddress("address", address); err != nil {
			problem("kafka", err.Error())
		}
	}
	if c.Kafka == "" {
		problem("kafka", "no brokers are named: write host:port, several with commas")
	}
	switch {
	case c.Name != partOrders:
	case c.Inventory == "":
		problem("inventory", "the address of the inventory is missing: write host:port")
	default:
		if err := checkAddress("address", c.Inventory); err != nil {
			problem("inventory", err.Error())
		}
	}
	c.checkNumbers(problem)
	c.Config.Check(problem)
	for _, d := range c.Config.Defects {
		if knownDefect(d) && !HasDefect(c.Name, d) {
			problem("defects", fmt.Sprintf("defect %s is not one of %s", d, c.Name))
		}
	}
}

func (c *ServiceConfig) checkNumbers(problem func(field, message string)) {
	if c.Replicas < 0 || c.Replicas > maxReplicas {
		problem("replicas", fmt.Sprintf("%d replicas: write 1 to %d, or 0 for as many as there are brokers, at most %d", c.Replicas, maxReplicas, brokerCount))
	}
	if c.Within < 0 {
		problem("within", "is negative")
	}
	if c.Session != 0 && (c.Session < leastSession || c.Session > mostSession) {
		problem("session", fmt.Sprintf("%s: write %s to %s", c.Session, leastSession, mostSession))
	}
}

func knownDefect(name string) bool {
	return slices.ContainsFunc(Defects(), func(d Defect) bool { return d.Name == name })
}

func (c *ServiceConfig) brokers() []string {
	var all []string
	for address := range strings.SplitSeq(c.Kafka, ",") {
		all = append(all, strings.TrimSpace(address))
	}
	return all
}

// Service is one of the shop's services, running.
type Service struct {
	shop    *Shop // with this one part
	address string
	drain   func(context.Context)
}

// OpenService starts a service and returns once it serves: its topics exist, and fulfilment has its partitions. With an
// error, nothing is left running. The configuration must have been checked.
func OpenService(ctx context.Context, c ServiceConfig, network faults.Network, log *slog.Logger) (*Service, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.Within, DefaultWithin))
	defer cancel()
	s := &Service{shop: &Shop{network: network, ledger: newLedger(), parts: make(map[string]faults.Part), force: func() {}}}
	if err := s.open(ctx, &c, log); err != nil {
		s.shop.closeAll()
		return nil, err
	}
	return s, nil
}

// open listens last: a port that takes connections is a service that is ready.
func (s *Service) open(ctx context.Context, c *ServiceConfig, log *slog.Logger) error {
	brokers := c.brokers()
	t := topics{s.shop.network, brokers, c.Config.partitions(), c.Replicas, log}
	if err := t.ensure(ctx); err != nil {
		return err
	}
	if c.Name == partFulfilment {
		return s.openFulfilment(ctx, brokers, c)
	}
	l, err := s.listen(c)
	if err != nil {
		return err
	}
	if c.Name == partInventory {
		part, err := s.shop.openInventory(l, brokers)
		if err == nil {
			s.drain = part.drain
		}
		return err
	}
	server, err := s.shop.openOrders(l, c.Inventory, brokers, nil, &c.Config, 0)
	if err == nil {
		s.drain = server.drain
	}
	return err
}

func (s *Service) listen(c *ServiceConfig) (net.Listener, error) {
	l, err := s.shop.listen("listen", cmp.Or(c.Listen, DefaultListen(c.Name)))
	if err == nil {
		s.address = l.Addr().String()
	}
	return l, err
}

func (s *Service) openFulfilment(ctx context.Context, brokers []string, c *ServiceConfig) error {
	f, err := s.shop.openFulfilment(ctx, brokers, &c.Config, cmp.Or(c.Session, DefaultSession))
	if err != nil {
		return err
	}
	l, err := s.listen(c)
	if err != nil {
		return err
	}
	server := openHealth(l, f.Ready, s.shop.ledger)
	s.shop.closers = append(s.shop.closers, server.close)
	s.drain = f.drain
	return nil
}

// Address is the address that the service listens on.
func (s *Service) Address() string { return s.address }

// Audit returns the effects that this service applied so far.
func (s *Service) Audit() Audit { return s.shop.Audit() }

// Close ends the service in good order: it takes no further work, ends what it has begun, and sends what it has not sent. It
// waits for half of the time until ctx ends before it cuts work that goes on. Without a deadline of ctx, it waits. It is
// idempotent.
func (s *Service) Close(ctx context.Context) error {
	patience, cancel := half(ctx)
	defer cancel()
	s.drain(patience)
	return s.shop.Close(ctx)
}

// half ends after half of the time that ctx has left.
func half(ctx context.Context) (context.Context, context.CancelFunc) {
	if end, ok := ctx.Deadline(); ok {
		return context.WithTimeout(ctx, time.Until(end)/2)
	}
	return context.WithCancel(ctx)
}
