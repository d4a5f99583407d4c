package amqp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers"
	"wringer/drivers/tlsconfig"
)

// UndoKind is the kind of this package's entries in a journal.
const UndoKind = "amqp"

// PasswordVariable is the environment variable from which Undo takes a password that stands in the scenario's text: no journal
// keeps such a password.
const PasswordVariable = "WRINGER_AMQP_PASSWORD"

// concealed stands in a journal for a password of the scenario's text.
const concealed = "hidden"

// leftover is the content of a journal entry: one queue or one exchange that a run made, and how to reach its broker. The journal
// conceals the passwords.
type leftover struct {
	URL   string            `json:"url"`
	SASL  *SASL             `json:"sasl,omitempty"`
	TLS   *tlsconfig.Config `json:"tls,omitempty"`
	Files string            `json:"files,omitempty"` // where relative paths of TLS start

	Name     string    `json:"name"`
	Exchange *Exchange `json:"exchange,omitempty"`
	Queue    *Queue    `json:"queue,omitempty"`
}

// notes writes what a run makes into its journal. The zero value writes nothing.
type notes struct {
	due  func(kind, what string, data any) (done func() error, err error)
	form leftover // without a name
}

// newNotes prepares the entries of a run on one broker.
func newNotes(env drivers.Env, a access) notes {
	files, err := filepath.Abs(env.Files)
	if err != nil {
		files = env.Files
	}
	return notes{env.Due, leftover{URL: a.url, SASL: a.sasl, TLS: a.tls, Files: files}}
}

// queue notes a queue before it is made.
func (n notes) queue(name string, q Queue) (done func() error, err error) {
	l := n.form
	q.Bind = nil
	l.Name, l.Queue = name, &q
	return n.write("queue "+name, l)
}

// exchange notes an exchange before it is made.
func (n notes) exchange(name string, e Exchange) (done func() error, err error) {
	l := n.form
	l.Name, l.Exchange = name, &e
	return n.write("exchange "+name, l)
}

func (n notes) write(what string, l leftover) (done func() error, err error) {
	if n.due == nil {
		return func() error { return nil }, nil
	}
	return n.due(UndoKind, what+" of "+publicURL(l.URL), l)
}

// Undo carries out an entry of UndoKind: it removes the queue or the exchange, where it still is as the run declared it and nobody
// uses it. It is idempotent.
func Undo(ctx context.Context, data json.RawMessage) error {
	var l leftover
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&l); err != nil {
		return fmt.Errorf("undo on a broker: %w", err)
	}
	c, err := l.open(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	if l.Queue != nil {
		return c.undoQueue(l.Name, l.Queue)
	}
	return c.undoExchange(l.Name, l.Exchange)
}

// open connects to the broker.
func (l *leftover) open(ctx context.Context) (*control, error) {
	dialer, err := (access{url: l.URL, tls: l.TLS, sasl: l.SASL}).dialer(l.Files)
	if err != nil {
		return nil, err
	}
	if !dialer.external && dialer.password == concealed {
		password, set := os.LookupEnv(PasswordVariable)
		if !set {
			return nil, fmt.Errorf("the password stands in the scenario's text, and no journal keeps it: set %s", PasswordVariable)
		}
		dialer.password = password
	}
	c := newControl(dialer, new(net.Dialer).DialContext, controlPatience)
	ctx, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	if err := c.open(ctx); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// errOthers marks what is no longer the run's own.
var errOthers = errors.New("is not removed: it may be another's by now; look at it, and remove it yourself")

func (c *control) undoQueue(name string, q *Queue) error {
	there, err := c.inspect(name)
	if isAbsent(err) {
		return nil
	}
	if err == nil && there.Consumers > 0 {
		return fmt.Errorf("queue %s %w: %d consume from it", name, errOthers, there.Consumers)
	}
	if err == nil {
		q.Arguments = plainNumbers(q.Arguments)
		_, err = c.declareQueue(name, q)
	}
	if err == nil {
		return c.remove(made{queues: []thing{{name: name}}})
	}
	if codeIs(err, library.PreconditionFailed) {
		return fmt.Errorf("queue %s %w: %w", name, errOthers, err)
	}
	return err
}

func (c *control) undoExchange(name string, e *Exchange) error {
	there, err := c.exchangeExists(name)
	if err != nil || !there {
		return err
	}
	e.Arguments = plainNumbers(e.Arguments)
	if err = c.declareExchange(name, e); err == nil {
		err = c.do(func(ch *library.Channel) error { return ch.ExchangeDelete(name, true, false) }) // unless a queue is bound to it
	}
	if codeIs(err, library.PreconditionFailed) {
		return fmt.Errorf("exchange %s %w: %w", name, errOthers, err)
	}
	if isAbsent(err) {
		return nil
	}
	return err
}

// plainNumbers turns the numbers of a decoded document into those that arguments have.
func plainNumbers(arguments map[string]any) map[string]any {
	for name, value := range arguments {
		switch v := value.(type) {
		case json.Number:
			if n, err := v.Int64(); err == nil {
				arguments[name] = n
			} else if f, err := v.Float64(); err == nil {
				arguments[name] = f
			}
		case map[string]any:
			arguments[name] = plainNumbers(v)
		case []any:
			for i, one := range v {
				v[i] = plainNumbers(map[string]any{"": one})[""]
			}
		}
	}
	return arguments
}
