package kafka

import (
	"errors"
	"net"
	"sync"

	"github.com/IBM/sarama"

	"wringer/drivers"
)

// coordinated is a sarama client that looks for the coordinator of its transactions by itself. sarama's own search sleeps
// between its tries, for as long as retryMetadata says and two seconds more, and no context ends that. This search ends with
// the network. Safe for concurrent use.
type coordinated struct {
	sarama.Client
	driver *Driver

	mu    sync.Mutex
	found *sarama.Broker // nil: not known
}

// TransactionCoordinator implements sarama.Client. On a fresh cluster it waits until the brokers have made the topic of
// their transactions. It blocks until a coordinator is found or the network is closed.
func (c *coordinated) TransactionCoordinator(id string) (*sarama.Broker, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.found == nil {
		broker, err := c.ask(id)
		switch {
		case err == nil:
			c.found = broker
		case isDenied(err):
			return nil, err
		case !c.driver.wait():
			return nil, errors.Join(net.ErrClosed, err)
		}
	}
	_ = c.found.Open(c.Config()) // a broker that is open stays so; the next request tells why one cannot be opened
	return c.found, nil
}

// RefreshTransactionCoordinator implements sarama.Client. The next request looks for the coordinator.
func (c *coordinated) RefreshTransactionCoordinator(string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.found = nil
	return nil
}

// ask asks one broker for the coordinator.
func (c *coordinated) ask(id string) (*sarama.Broker, error) {
	broker := c.LeastLoadedBroker()
	if broker == nil {
		return nil, sarama.ErrOutOfBrokers
	}
	request := &sarama.FindCoordinatorRequest{CoordinatorKey: id, CoordinatorType: sarama.CoordinatorTransaction, Version: 1}
	if c.Config().Version.IsAtLeast(sarama.V2_4_0_0) {
		request.Version = 3
	}
	answer, err := broker.FindCoordinator(request)
	if err != nil {
		_ = broker.Close() // the next lookup opens it again
		c.driver.metadataFailed()
		return nil, err
	}
	if answer.Err != sarama.ErrNoError {
		return nil, answer.Err
	}
	if known, err := c.Broker(answer.Coordinator.ID()); err == nil {
		return known, nil
	}
	return answer.Coordinator, nil
}

// wait waits before the next try. It returns false once the network is closed.
func (d *Driver) wait() bool {
	return !d.network.isClosed() && drivers.Pause(d.network.open, backoff)
}

// notYet says whether brokers that have just started answer so.
func notYet(err error) bool {
	for _, code := range []sarama.KError{sarama.ErrConsumerCoordinatorNotAvailable, sarama.ErrNotCoordinatorForConsumer,
		sarama.ErrOffsetsLoadInProgress, sarama.ErrConcurrentTransactions} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}
