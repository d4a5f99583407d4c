package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"wringer/drivers"
	"wringer/drivers/tlsconfig"
)

// network makes the connections of one sarama client, and keeps track of them. sarama's calls take no context: closing the
// connections is what ends them early. network is the proxy.Dialer given to sarama. Safe for concurrent use.
type network struct {
	connect   func(network, address string) (net.Conn, error)
	wrap      func(conn net.Conn, address string) net.Conn // nil: connections are not wrapped
	tlsConfig *tls.Config                                  // nil: no TLS. Set before the first dial
	open      context.Context                              // ends when the network is closed
	named     []string                                     // the addresses that the scenario names; the brokers name all others
	cancel    context.CancelFunc

	mu      sync.Mutex
	closed  bool
	live    map[*trackedConn]struct{}
	failure error // of the last dial; nil if it succeeded

	// logins is the configuration by which a new connection logs in; nil: there is no login.
	logins *sarama.Config
	// silent: requests for Produce get no answer (acks: none).
	silent bool

	down atomic.Bool // written while mu is held; read for each record
}

// newNetwork connects by dial, each time within timeout. (sarama applies no timeout to a custom dialer.)
// brokers are the addresses that the scenario names.
func newNetwork(dial drivers.DialFunc, timeout time.Duration, brokers []string) *network {
	base, cancel := context.WithCancel(context.Background())
	n := &network{named: brokers, live: make(map[*trackedConn]struct{}), open: base, cancel: cancel}
	n.connect = func(network, address string) (net.Conn, error) {
		ctx, done := context.WithTimeout(base, timeout)
		defer done()
		if !slices.Contains(n.named, address) {
			ctx = drivers.NamedByTarget(ctx)
		}
		conn, err := dial(ctx, network, address)
		if err != nil || n.tlsConfig == nil {
			return conn, err
		}
		return tlsconfig.Client(ctx, conn, address, n.tlsConfig) // the tap must see plain bytes, so sarama's own TLS is not used
	}
	return n
}

// Dial implements proxy.Dialer.
func (n *network) Dial(network, address string) (net.Conn, error) {
	conn, err := n.connect(network, address)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.failure = err
	if err != nil {
		return nil, err
	}
	if n.closed {
		conn.Close()
		return nil, net.ErrClosed
	}
	n.down.Store(false)
	c := &trackedConn{conn: conn, network: n, address: address, dialled: network}
	n.live[c] = struct{}{}
	if n.wrap != nil {
		return n.wrap(c, address), nil
	}
	return c, nil
}

// login logs in on a new connection, as sarama does on its own: by a client that uses the connection, and leaves it open. It blocks for
// the brokers' answers, within the timeouts of the configuration.
func (n *network) login(conn net.Conn, address string) error {
	config := *n.logins
	config.Net.Proxy.Dialer = handed{conn}
	broker := sarama.NewBroker(address)
	if err := broker.Open(&config); err != nil {
		return err
	}
	_, err := broker.Connected()
	_ = broker.Close()
	return errors.Join(err, conn.SetDeadline(time.Time{}))
}

// handed dials by handing over one connection, which its user cannot close.
type handed struct{ net.Conn }

// Dial implements proxy.Dialer.
func (h handed) Dial(string, string) (net.Conn, error) { return h, nil }

// Close implements net.Conn.
func (handed) Close() error { return nil }

// close ends every connection and refuses new ones. Idempotent.
func (n *network) close() {
	n.mu.Lock()
	live := n.live
	n.live, n.closed = nil, true
	n.mu.Unlock()
	n.cancel()
	for c := range live {
		c.current().Close()
	}
}

func (n *network) isClosed() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.closed
}

// lastFailure is the error of the last dial, nil if it succeeded.
func (n *network) lastFailure() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.failure
}

// fail notes that no broker has answered. It reports whether no connection is left. If so, the network is down until a dial
// succeeds.
func (n *network) fail() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	down := len(n.live) == 0
	n.down.Store(down)
	return down
}

func (n *network) isDown() bool { return n.down.Load() }
