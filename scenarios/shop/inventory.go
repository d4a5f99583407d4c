package shop

import (
	"encoding/json"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// inventory holds the stock and its reservations: the inventory service's database, which survives a kill. Safe for
// concurrent use.
type inventory struct {
	ledger       *ledger
	reservations *boundedMap[reservationKey, reservation]

	mu     sync.Mutex
	levels map[string]int64
}

type reservationKey struct{ orderID, itemID string }

type reservation struct {
	id       string
	quantity int64
}

const (
	// openingStock is the stock of every item. Orders beyond it go on back order, so the stock suffices for any length of
	// run.
	openingStock = 1_000_000
	maxItems     = 100_000
	maxQuantity  = 1_000_000
)

func newInventory(l *ledger) *inventory {
	return &inventory{
		ledger:       l,
		reservations: newBoundedMap[reservationKey, reservation](memoryLimit),
		levels:       make(map[string]int64),
	}
}

// reserve reserves stock, once for each order and item.
func (s *inventory) reserve(orderID, itemID string, quantity int64) (r reservation, replayed bool, err error) {
	switch {
	case orderID == "":
		return r, false, status.Error(codes.InvalidArgument, "orderId is empty")
	case itemID == "":
		return r, false, status.Error(codes.InvalidArgument, "itemId is empty")
	case quantity < 1 || quantity > maxQuantity:
		return r, false, status.Errorf(codes.InvalidArgument, "quantity is %d: write 1 to %d", quantity, maxQuantity)
	}
	r, fresh := s.reservations.getOrPut(reservationKey{orderID, itemID}, func() reservation {
		return reservation{"r-" + orderID + "-" + itemID, quantity}
	})
	if !fresh {
		return r, true, nil
	}
	s.ledger.add(Reserved, orderID)
	_, err = s.change(itemID, -quantity)
	return r, false, err
}

// change adds delta to an item's level and returns the new level. A delta of 0 only reads the level.
func (s *inventory) change(itemID string, delta int64) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	level, known := s.levels[itemID]
	if !known {
		level = openingStock
	}
	if delta == 0 {
		return level, nil
	}
	if !known && len(s.levels) >= maxItems {
		return 0, status.Errorf(codes.ResourceExhausted, "the inventory holds %d items, its limit", maxItems)
	}
	s.levels[itemID] = level + delta
	return level + delta, nil
}

// callLog appends a record to inventory-calls for each call of the order service. It does so beside the call, in order.
type callLog struct {
	calls     chan call
	publisher *publisher
	writer    sync.WaitGroup
}

type call struct {
	OrderID  string `json:"orderId"`
	ItemID   string `json:"itemId"`
	Quantity int64  `json:"quantity"`
}

// maxCallsQueued bounds the calls in memory while the brokers are frozen. When it is reached, calls wait; none is left out.
const maxCallsQueued = 1 << 16

func openCallLog(p *publisher) *callLog {
	l := &callLog{calls: make(chan call, maxCallsQueued), publisher: p}
	l.writer.Go(func() {
		for c := range l.calls {
			value, _ := json.Marshal(c) // strings and numbers: cannot fail
			l.publisher.publish(nil, topicInventoryCalls, c.OrderID, value, nil)
		}
	})
	return l
}

func (l *callLog) add(c call) { l.calls <- c }

// close writes the queued calls. add must not be called any more.
func (l *callLog) close() {
	close(l.calls)
	l.writer.Wait()
}
