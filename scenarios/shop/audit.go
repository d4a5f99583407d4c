package shop

import "sync"

// Audit lists every effect that the shop applied, as GET /audit shows it.
type Audit struct {
	Counts Counts `json:"counts"`
	// Effects are in the order in which they were applied; only the first maxEffects are kept.
	Effects []Effect `json:"effects"`
	// Truncated says that there were more effects. Counts are exact nevertheless.
	Truncated bool `json:"truncated"`
}

// Counts are exact.
type Counts struct {
	OrdersPlaced    int64 `json:"orders_placed"`    // executions that were acknowledged, or are about to be
	EventsPublished int64 `json:"events_published"` // records that the broker confirmed on order-events
	Reservations    int64 `json:"reservations"`     // by any caller
	Shipments       int64 `json:"shipments"`        // records that the broker confirmed on shipments
	InventoryCalls  int64 `json:"inventory_calls"`  // Reserve calls of the order service that arrived
	Charges         int64 `json:"charges"`          // of the leg over RabbitMQ, as refunds and releases are
	Refunds         int64 `json:"refunds"`
	Releases        int64 `json:"releases"`
}

// Effect is one applied effect.
type Effect struct {
	Kind    EffectKind `json:"kind"`
	OrderID string     `json:"orderId"`
	// Times counts the effects of this kind on this order, this one included.
	Times int `json:"times"`
}

// EffectKind names a kind of effect.
type EffectKind string

const (
	OrderPlaced    EffectKind = "order_placed"
	EventPublished EffectKind = "event_published"
	Reserved       EffectKind = "reserved"
	Shipped        EffectKind = "shipped"
	Charged        EffectKind = "charged"
	Refunded       EffectKind = "refunded"
	Released       EffectKind = "released"
)

// maxEffects bounds the memory of an audit to about 50 MB.
const maxEffects = 1 << 18

// ledger records effects. Safe for concurrent use.
type ledger struct {
	mu        sync.Mutex
	counts    Counts
	effects   []Effect
	truncated bool
	times     map[effectKey]int
}

type effectKey struct {
	kind    EffectKind
	orderID string
}

func newLedger() *ledger { return &ledger{times: make(map[effectKey]int)} }

func (l *ledger) add(kind EffectKind, orderID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*l.counts.of(kind)++
	if len(l.effects) >= maxEffects {
		l.truncated = true
		return
	}
	key := effectKey{kind, orderID}
	l.times[key]++
	l.effects = append(l.effects, Effect{kind, orderID, l.times[key]})
}

func (c *Counts) of(kind EffectKind) *int64 {
	switch kind {
	case OrderPlaced:
		return &c.OrdersPlaced
	case EventPublished:
		return &c.EventsPublished
	case Reserved:
		return &c.Reservations
	case Charged:
		return &c.Charges
	case Refunded:
		return &c.Refunds
	case Released:
		return &c.Releases
	default:
		return &c.Shipments
	}
}

func (l *ledger) inventoryCalled() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.InventoryCalls++
}

func (l *ledger) count() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts
}

// audit returns a copy that does not change: effects are only appended.
func (l *ledger) audit() Audit {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Audit{l.counts, l.effects[:len(l.effects):len(l.effects)], l.truncated}
}
