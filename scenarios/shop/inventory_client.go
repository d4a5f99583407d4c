package shop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"wringer/faults"
)

// inventoryClient is the order service's client of the inventory. Safe for concurrent use.
type inventoryClient struct {
	conn    *grpc.ClientConn
	schema  schema
	policy  callPolicy
	breaker *breaker // nil: none
	defects defects
}

// callPolicy says how long and how often the inventory is called for one item.
type callPolicy struct {
	timeout time.Duration // of one try; 0: unlimited
	tries   int           // 0: as many as fit into budget
	backoff time.Duration // before the second try; doubles
	budget  time.Duration // of all tries; 0: unlimited
	wait    bool          // whether a try waits for a connection
}

// The honest policy fits into a client's timeout of 500 ms. The storm's policy calls a hanging inventory 50 times for one
// order.
const (
	callTimeout  = 150 * time.Millisecond
	callTries    = 2
	callBackoff  = 20 * time.Millisecond
	stormTimeout = 40 * time.Millisecond
	stormBudget  = 2 * time.Second
)

func newCallPolicy(c *Config) callPolicy {
	p := callPolicy{tries: 1}
	if on(c.Timeouts) {
		p.timeout = cmp.Or(c.CallTimeout, callTimeout)
	}
	if on(c.Retries) {
		p.tries, p.backoff = callTries, callBackoff
	}
	return p
}

// errBreakerOpen says that the inventory was not called.
var errBreakerOpen = errors.New("the circuit breaker is open")

func openInventoryClient(network faults.Network, address string, c *Config) (*inventoryClient, error) {
	schema, err := inventorySchema()
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(overTCP(network)),
		grpc.WithDisableRetry(),
		// grpc-go's default waits up to two minutes before it reconnects: longer than any fault.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 500 * time.Millisecond},
			MinConnectTimeout: time.Second,
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("shop: open a grpc client for %s: %w", address, err)
	}
	client := &inventoryClient{conn: conn, schema: schema, policy: newCallPolicy(c), defects: defectSet(c.Defects)}
	if client.defects[RetryStorm] {
		client.policy = callPolicy{timeout: stormTimeout, budget: stormBudget, wait: true}
	} else if on(c.Breaker) {
		client.breaker = &breaker{}
	}
	return client, nil
}

// overTCP dials for grpc-go.
func overTCP(network faults.Network) func(ctx context.Context, address string) (net.Conn, error) {
	return func(ctx context.Context, address string) (net.Conn, error) { return network.Dial(ctx, "tcp", address) }
}

// requestIDKey is the metadata key of a call's identity: that of the order and the item, in every try.
const requestIDKey = "x-request-id"

// reserve calls the inventory for item number n of an order until the inventory answers, or the policy ends the calls.
func (c *inventoryClient) reserve(ctx context.Context, r *request, n int) error {
	ctx = metadata.AppendToOutgoingContext(ctx, callerKey, callerOrders, requestIDKey, r.OrderID+"/"+strconv.Itoa(n))
	if r.trace != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, traceKey, r.trace)
	}
	if c.defects[Chatty] {
		for k := range r.Items {
			if err := c.level(ctx, r.Items[k].ID); err != nil {
				return err
			}
		}
	}
	if c.defects[CallTwice] {
		if err := c.attempts(ctx, r.OrderID, r.Items[n]); err != nil {
			return err
		}
	}
	return c.attempts(ctx, r.OrderID, r.Items[n])
}

// level asks for the level of an item, and throws the answer away.
func (c *inventoryClient) level(ctx context.Context, itemID string) error {
	ctx, cancel := bounded(ctx, c.policy.timeout)
	defer cancel()
	stream, err := c.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/"+inventoryService+"/WatchStock", grpc.WaitForReady(c.policy.wait))
	if err != nil {
		return err
	}
	ask := c.schema.message("WatchStockRequest").with("item_id", itemID).with("updates", int32(1))
	if err := errors.Join(stream.SendMsg(ask.Message), stream.CloseSend()); err != nil {
		return err
	}
	for {
		switch err := stream.RecvMsg(c.schema.message("StockLevel").Message); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// attempts calls the inventory for one item as the policy says.
func (c *inventoryClient) attempts(ctx context.Context, orderID string, i item) error {
	ctx, cancel := bounded(ctx, c.policy.budget)
	defer cancel()
	pause := c.policy.backoff
	for try := 1; ; try++ {
		if !c.breaker.allow() {
			return errBreakerOpen
		}
		err := c.call(ctx, orderID, i)
		c.breaker.report(err == nil)
		if err == nil || try == c.policy.tries || ctx.Err() != nil {
			return err
		}
		if !sleep(ctx, pause) {
			return err
		}
		pause *= 2
	}
}

func (c *inventoryClient) call(ctx context.Context, orderID string, i item) error {
	ctx, cancel := bounded(ctx, c.policy.timeout)
	defer cancel()
	request := c.schema.message("ReserveRequest").
		with("order_id", orderID).
		with("item_id", i.ID).
		with("quantity", int32(i.Quantity))
	reply := c.schema.message("Reservation")
	return c.conn.Invoke(ctx, "/"+inventoryService+"/Reserve", request.Message, reply.Message, grpc.WaitForReady(c.policy.wait))
}

func (c *inventoryClient) close() { _ = c.conn.Close() }

// inventoryCode is the reason code in the answer to an order that the inventory did not reserve.
func inventoryCode(err error) string {
	switch {
	case errors.Is(err, errBreakerOpen):
		return "breaker_open"
	case status.Code(err) == codes.DeadlineExceeded:
		return "inventory_timeout"
	default:
		return "inventory_unavailable"
	}
}

// bounded is context.WithTimeout, except that 0 means no timeout.
func bounded(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}

// sleep waits for d. It returns false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
