package amqp

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	library "github.com/rabbitmq/amqp091-go"
)

// Topology is what a run declares: exchanges, queues and bindings.
type Topology struct {
	Exchanges map[string]Exchange `yaml:"exchanges" jsonschema_description:"Exchanges by name."`
	Queues    map[string]Queue    `yaml:"queues" jsonschema_description:"Queues by name."`
}

// Exchange is an exchange that a run declares.
type Exchange struct {
	Type       string         `yaml:"type" jsonschema_description:"direct, fanout, topic, headers, or a type of a plugin. Default direct."`
	Durable    *bool          `yaml:"durable" jsonschema_description:"It survives a restart of the broker. Default true."`
	AutoDelete bool           `yaml:"auto_delete" jsonschema_description:"It goes when its last binding goes."`
	Arguments  map[string]any `yaml:"arguments" jsonschema_description:"Its arguments, as in {alternate-exchange: unrouted}."`
}

// Queue is a queue that a run declares.
type Queue struct {
	Type       string         `yaml:"type" jsonschema:"enum=classic,enum=quorum,enum=stream" jsonschema_description:"Default classic."`
	Durable    *bool          `yaml:"durable" jsonschema_description:"It survives a restart of the broker. Default true."`
	AutoDelete bool           `yaml:"auto_delete" jsonschema_description:"It goes when its last consumer goes."`
	Arguments  map[string]any `yaml:"arguments" jsonschema_description:"Its arguments, as in {x-message-ttl: 60000, x-max-length: 1000, x-dead-letter-exchange: dead, x-single-active-consumer: true, x-expires: 3600000}."`
	Bind       []Binding      `yaml:"bind" jsonschema_description:"Exchanges that it is bound to. Every queue is bound to the default exchange by its name."`
}

// Binding binds a queue to an exchange.
type Binding struct {
	Exchange   string         `yaml:"exchange" jsonschema:"required" jsonschema_description:"The exchange's name."`
	RoutingKey string         `yaml:"routing_key" jsonschema_description:"Which messages: an exact key (direct), or a pattern (topic, as in orders.# or orders.*)."`
	Arguments  map[string]any `yaml:"arguments" jsonschema_description:"Which messages, of a headers exchange: {x-match: all, region: eu}."`
}

const (
	typeClassic = "classic"
	typeQuorum  = "quorum"
	typeStream  = "stream"

	argumentType    = "x-queue-type"
	argumentExpires = "x-expires"
	maxDeclared     = 1000
)

func durable(d *bool) bool { return d == nil || *d }

// queue returns a queue that is declared, nil if it is not.
func (t *Topology) queue(name string) *Queue {
	if t == nil {
		return nil
	}
	if q, ok := t.Queues[name]; ok {
		return &q
	}
	return nil
}

// boundTo lists the declared queues that are bound to an exchange.
func (t *Topology) boundTo(exchange string) (queues []string) {
	if t == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(t.Queues)) {
		if slices.ContainsFunc(t.Queues[name].Bind, func(b Binding) bool { return b.Exchange == exchange }) {
			queues = append(queues, name)
		}
	}
	return queues
}

func (t *Topology) check(problem func(field, message string)) {
	if t == nil {
		return
	}
	if len(t.Exchanges)+len(t.Queues) == 0 {
		problem("declare", "declares nothing; give exchanges or queues, or leave it out")
	}
	if len(t.Exchanges)+len(t.Queues) > maxDeclared {
		problem("declare", fmt.Sprintf("declares more than %d things", maxDeclared))
	}
	for name, e := range t.Exchanges {
		field := "declare.exchanges." + name
		if name == "" || strings.HasPrefix(name, "amq.") {
			problem(field, "is a name of the broker's own; choose another")
		}
		checkName(field, name, problem)
		checkArguments(field+".arguments", e.Arguments, problem)
	}
	for name, q := range t.Queues {
		q.check("declare.queues."+name, name, problem)
	}
}

func (q *Queue) check(field, name string, problem func(field, message string)) {
	if name == "" || strings.HasPrefix(name, "amq.") {
		problem(field, "is a name of the broker's own; choose another")
	}
	checkName(field, name, problem)
	switch q.Type {
	case "", typeClassic:
	case typeQuorum, typeStream:
		if !durable(q.Durable) || q.AutoDelete {
			problem(field, fmt.Sprintf("a %s queue is durable and not deleted by itself; take durable and auto_delete away", q.Type))
		}
	default:
		problem(field+".type", fmt.Sprintf("%q is not one of classic, quorum, stream", q.Type))
	}
	if _, both := q.Arguments[argumentType]; both {
		problem(field+".arguments", argumentType+" is what type says; write type")
	}
	checkArguments(field+".arguments", q.Arguments, problem)
	for i, b := range q.Bind {
		at := fmt.Sprintf("%s.bind[%d]", field, i)
		if b.Exchange == "" {
			problem(at+".exchange", "names no exchange: the default exchange needs no binding")
		}
		checkArguments(at+".arguments", b.Arguments, problem)
	}
}

func checkArguments(field string, arguments map[string]any, problem func(field, message string)) {
	if err := table(arguments).Validate(); err != nil {
		problem(field, err.Error())
	}
}

// table is arguments in the library's terms. Whole numbers are of 64 bits, as brokers take them for every argument.
func table(arguments map[string]any) library.Table {
	t := make(library.Table, len(arguments))
	for name, value := range arguments {
		switch v := value.(type) {
		case int:
			value = int64(v)
		case uint64:
			value = int64(v)
		case map[string]any:
			value = table(v)
		}
		t[name] = value
	}
	return t
}

// arguments are the arguments of a declaration, the type included. A classic queue names no type, as most clients do not.
func (q *Queue) arguments() library.Table {
	t := table(q.Arguments)
	if q.Type == typeQuorum || q.Type == typeStream {
		t[argumentType] = q.Type
	}
	return t
}

// made is what a run has declared, and removes.
type made struct{ exchanges, queues []thing }

// thing is an exchange or a queue. undone notes its removal in the journal; nil: it is in none.
type thing struct {
	name   string
	undone func() error
}

func (m made) hasQueue(name string) bool {
	return slices.ContainsFunc(m.queues, func(t thing) bool { return t.name == name })
}

// declare makes what is absent. What is there must be as declared: the broker compares. m tells what was made, also after an error.
func (c *control) declare(t *Topology) (m made, err error) {
	if t == nil {
		return m, nil
	}
	for _, name := range slices.Sorted(maps.Keys(t.Exchanges)) {
		e := t.Exchanges[name]
		there, err := c.exchangeExists(name)
		if err != nil {
			return m, blamed(err)
		}
		own := thing{name: name}
		if !there {
			if own.undone, err = c.notes.exchange(name, e); err != nil {
				return m, err
			}
		}
		if err := c.declareExchange(name, &e); err != nil {
			return m, errors.Join(err, own.neverMade(err))
		}
		if !there {
			m.exchanges = append(m.exchanges, own)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Queues)) {
		q := t.Queues[name]
		own, err := c.declareQueue(name, &q)
		if own != nil {
			m.queues = append(m.queues, *own)
		}
		if err != nil {
			return m, err
		}
	}
	return m, nil
}

// neverMade takes a thing that the broker refused to make out of the journal. After any other error nobody knows.
func (t thing) neverMade(why error) error {
	if t.undone == nil || !refusedBy(why) {
		return nil
	}
	return t.undone()
}

func (c *control) declareExchange(name string, e *Exchange) error {
	err := c.do(func(ch *library.Channel) error {
		return ch.ExchangeDeclare(name, cmp.Or(e.Type, "direct"), durable(e.Durable), e.AutoDelete, false, false, table(e.Arguments))
	})
	if err != nil {
		return declareError("exchange", name, err)
	}
	return nil
}

// declareQueue makes and binds a queue. own is nil if the queue was there.
func (c *control) declareQueue(name string, q *Queue) (own *thing, err error) {
	_, err = c.inspect(name)
	if err != nil && !isAbsent(err) {
		return nil, fmt.Errorf("look for queue %s: %w", name, blamed(err))
	}
	if err != nil {
		own = &thing{name: name}
		if own.undone, err = c.notes.queue(name, *q); err != nil {
			return nil, err
		}
	}
	err = c.do(func(ch *library.Channel) error {
		_, err := ch.QueueDeclare(name, durable(q.Durable), q.AutoDelete, false, false, q.arguments())
		return err
	})
	if err != nil {
		err = declareError("queue", name, err)
		if own != nil {
			err = errors.Join(err, own.neverMade(err))
		}
		return nil, err
	}
	for _, b := range q.Bind {
		err := c.do(func(ch *library.Channel) error {
			return ch.QueueBind(name, b.RoutingKey, b.Exchange, false, table(b.Arguments))
		})
		if err != nil {
			return own, declareError("binding", name+" to "+b.Exchange, err)
		}
	}
	return own, nil
}

// remove removes what was made. What is gone already is no error. A broker that does not answer is asked no more.
func (c *control) remove(m made) error {
	var failed []error
	each := func(what string, all []thing, remove func(ch *library.Channel, name string) error) (answers bool) {
		for _, t := range all {
			err := c.do(func(ch *library.Channel) error { return remove(ch, t.name) })
			switch {
			case err == nil || isAbsent(err):
				if t.undone != nil {
					failed = append(failed, t.undone())
				}
			default:
				if failed = append(failed, fmt.Errorf("remove %s %s: %w", what, t.name, err)); !refusedBy(err) {
					return false
				}
			}
		}
		return true
	}
	answers := each("queue", m.queues, func(ch *library.Channel, name string) error {
		_, err := ch.QueueDelete(name, false, false, false)
		return err
	})
	if answers {
		each("exchange", m.exchanges, func(ch *library.Channel, name string) error { return ch.ExchangeDelete(name, false, false) })
	}
	return errors.Join(failed...)
}

// exchangeExists asks for an exchange. The default exchange always exists.
func (c *control) exchangeExists(name string) (bool, error) {
	err := c.do(func(ch *library.Channel) error {
		return ch.ExchangeDeclarePassive(name, "direct", true, false, false, false, nil)
	})
	if isAbsent(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for exchange %s: %w", name, err)
	}
	return true, nil
}

// inspect asks for a queue's messages that are ready, and for its consumers.
func (c *control) inspect(name string) (q library.Queue, err error) {
	err = c.do(func(ch *library.Channel) (err error) {
		q, err = ch.QueueDeclarePassive(name, true, false, false, false, nil)
		return err
	})
	return q, err
}

// declareError names what could not be declared, in the broker's own words.
func declareError(what, name string, err error) error {
	return fmt.Errorf("declare %s %s: %w", what, name, blamed(err))
}

func isAbsent(err error) bool { return codeIs(err, library.NotFound) }

func codeIs(err error, code int) bool {
	var broker *library.Error
	return errors.As(err, &broker) && broker.Server && broker.Code == code
}

// refusedBy says whether the broker answered with an error of its own: the operation was refused, whatever the network did.
func refusedBy(err error) bool {
	var broker *library.Error
	return errors.As(err, &broker) && broker.Server && broker.Code != library.ConnectionForced && broker.Code != library.InternalError
}
