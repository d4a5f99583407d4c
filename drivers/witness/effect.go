package witness

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"wringer/drivers"
	"wringer/drivers/effect"
)

// Effect is the `witness:` part of `effects:`: what a service publishes to a broker of AMQP over a link, as the witness of the link
// sees it. It is for exchanges that no queue of our own can be bound to.
type Effect struct {
	Link       string            `yaml:"link" jsonschema:"required" jsonschema_description:"The link over which the service reaches its broker. The link's witness says where a message carries its identity: witness: {id: $.orderId}."`
	Exchange   string            `yaml:"exchange" jsonschema_description:"The exchange to which the messages are published. Default: any, or with queue the default one."`
	RoutingKey string            `yaml:"routing_key" jsonschema_description:"The routing key with which they are published. Default: any."`
	Queue      string            `yaml:"queue" jsonschema_description:"The queue to which the default exchange hands the messages. Instead of exchange and routing_key."`
	Key        string            `yaml:"key" jsonschema_description:"Where the operation's key stands: a JSON path into the body. It is compared with {{key}}, as a field of match is. Default: no key."`
	Match      map[string]string `yaml:"match" jsonschema_description:"Fields of the body that must hold what was sent: {JSON PATH: TEMPLATE}. A template may hold {{id}}, {{seq}}, {{key}} and {{data.NAME}}; or it is {{sent $.PATH}} alone, a field of the JSON body that was sent. An effect that differs is corrupt."`
}

var _ drivers.Overhearing = (*Effect)(nil)

// Overhears implements drivers.Overhearing.
func (e *Effect) Overhears() string { return e.Link }

func (e *Effect) fields() *effect.Fields { return &effect.Fields{Key: e.Key, Match: e.Match} }

// Check implements drivers.SourceConfig.
func (e *Effect) Check(problem func(field, message string)) {
	if e.Queue != "" && (e.Exchange != "" || e.RoutingKey != "") {
		problem("queue", "stands beside exchange or routing_key; the default exchange routes by the queue's name: keep queue alone, or leave it out")
	}
	e.fields().Check(effect.CheckPath, problem)
}

// Describe implements drivers.SourceConfig.
func (e *Effect) Describe() drivers.SourceDescription {
	what := "messages"
	switch {
	case e.Queue != "":
		what += " for the queue " + e.Queue
	case e.Exchange != "":
		what += " to the exchange " + e.Exchange
	}
	if e.RoutingKey != "" {
		what += " with the key " + e.RoutingKey
	}
	return drivers.SourceDescription{
		Place: what + " on the link " + e.Link, Matched: e.fields().Matched(),
		Cannot: drivers.SourceLimits{
			Order:      "a broker confirms messages in any order, and several connections have none; read the queue by amqp",
			Redelivery: "what a client sends again is a new message to the broker",
		},
	}
}

// Open implements drivers.SourceConfig.
func (e *Effect) Open(_ context.Context, env drivers.Env) (drivers.Source, error) {
	if env.Passed == nil {
		return nil, fmt.Errorf("%w: nothing watches the link %s", drivers.ErrConfig, e.Link)
	}
	differs, err := e.fields().Comparer(env)
	if err != nil {
		return nil, err
	}
	return &overheard{config: *e, place: e.Describe().Place, env: env, differs: differs, changed: make(chan struct{})}, nil
}

const (
	// mostHeard and mostHeardBytes bound the messages that wait for the checks.
	mostHeard      = 1 << 16
	mostHeardBytes = 64 << 20
)

// overheard is the source of one place. The link's goroutines hand it requests, and Receive hands on the effects among them.
type overheard struct {
	config  Effect
	place   string
	env     drivers.Env
	differs func(id, body []byte) string // nil: nothing is compared

	mu      sync.Mutex
	open    int // publishes that are not over
	heard   []heard
	bytes   int
	giving  bool // Receive hands something on
	failure error
	changed chan struct{} // closed and replaced at each change
}

// heard is an effect that waits for the checks.
type heard struct {
	id, body []byte
	at       time.Duration
}

var (
	_ drivers.Source   = (*overheard)(nil)
	_ drivers.Requests = (*overheard)(nil)
)

// wanted says whether a request is a publish that the place shows.
func (s *overheard) wanted(r *drivers.Request) bool {
	p, c := r.Published, &s.config
	switch {
	case p == nil:
		return false
	case c.Queue != "":
		return len(p.Exchange) == 0 && string(p.RoutingKey) == c.Queue
	}
	return (c.Exchange == "" || string(p.Exchange) == c.Exchange) && (c.RoutingKey == "" || string(p.RoutingKey) == c.RoutingKey)
}

// Arrived implements drivers.Requests.
func (s *overheard) Arrived(r *drivers.Request) {
	if s.wanted(r) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open++
	}
}

// Identified implements drivers.Requests.
func (s *overheard) Identified(*drivers.Request) {}

// Over implements drivers.Requests.
func (s *overheard) Over(r *drivers.Request) {
	if !s.wanted(r) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.change()
	s.open--
	switch p := r.Published; {
	case p.Fate == drivers.Refused:
	case p.Unread:
		s.fail(errUnread)
	case p.Fate == drivers.Unsettled:
		s.fail(fmt.Errorf("a message was published and never confirmed (%s): the broker may hold it or not", cmp.Or(r.Status, "no confirm was asked for, or its connection ended")))
	case len(s.heard) == mostHeard || s.bytes+len(p.Body) > mostHeardBytes:
		s.fail(errors.New("messages came faster than they could be compared: lower the load"))
	default:
		one := heard{id: bytes.Clone(r.ID), at: r.At}
		if s.differs != nil {
			one.body = bytes.Clone(p.Body)
		}
		s.bytes += len(one.body)
		s.heard = append(s.heard, one)
	}
}

var errUnread = errors.New("a message could not be read: it is compressed, or above 64 KiB, or the broker returned it and did not tell which it was")

// Blind implements drivers.Requests.
func (s *overheard) Blind(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail(fmt.Errorf("a connection of the link could not be read: %s", why))
	s.change()
}

// fail notes why the place is not fully known. The caller holds mu.
func (s *overheard) fail(why error) { s.failure = cmp.Or(s.failure, why) }

// change tells those who wait. The caller holds mu.
func (s *overheard) change() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Start implements drivers.Source.
func (s *overheard) Start(context.Context) error { return nil }

// Receive implements drivers.Source.
func (s *overheard) Receive(ctx context.Context, deliver func(*drivers.Delivery)) error {
	for {
		s.mu.Lock()
		all, changed := s.heard, s.changed
		s.heard, s.bytes, s.giving = nil, 0, len(all) > 0
		s.mu.Unlock()
		for _, one := range all {
			d := drivers.Delivery{ID: one.id, At: one.at}
			if s.differs != nil {
				d.Wrong = s.differs(one.id, one.body)
			}
			deliver(&d)
		}
		s.mu.Lock()
		s.giving = false
		if len(all) > 0 {
			s.change()
		}
		s.mu.Unlock()
		if len(all) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// CatchUp implements drivers.Source. It waits until every publish is settled and was handed on.
func (s *overheard) CatchUp(ctx context.Context) error {
	for {
		s.mu.Lock()
		open, waiting, failure, changed := s.open, len(s.heard) > 0 || s.giving, s.failure, s.changed
		s.mu.Unlock()
		switch {
		case open == 0 && !waiting && failure != nil:
			return fmt.Errorf("%s: %w", s.place, failure)
		case open == 0 && !waiting && !s.env.Passed():
			return fmt.Errorf("%s: no request of AMQP passed the link: let the service reach its broker at %s", s.place, "${links."+strings.TrimSpace(s.config.Link)+"}")
		case open == 0 && !waiting:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s: %d messages await their confirm: %w", s.place, open, ctx.Err())
		}
	}
}

// Close implements drivers.Source.
func (s *overheard) Close() error { return nil }
