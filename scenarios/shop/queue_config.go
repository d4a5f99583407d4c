package shop

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	library "github.com/rabbitmq/amqp091-go"
)

// AMQP is the shop's leg over RabbitMQ: reservations are commands in a queue, and a worker replies to them.
type AMQP struct {
	URL     string        `yaml:"url" jsonschema:"required" jsonschema_description:"The broker: amqp://USER:PASSWORD@HOST:PORT/VHOST. Write it as ${env.NAME}: what comes from the environment is never recorded."`
	Orders  string        `yaml:"orders" jsonschema_description:"Where the order service reaches the broker with its commands, and gets replies: a link, ${links.orders->rabbit}. Default: the broker itself."`
	Worker  string        `yaml:"worker" jsonschema_description:"Where the worker reaches the broker: a link, ${links.worker->rabbit}. Default: the broker itself."`
	Work    time.Duration `yaml:"work" jsonschema_description:"How long the worker works on a command; it works on four at once. Default 2ms."`
	Backlog int           `yaml:"backlog" jsonschema_description:"Commands that may wait at once; one more is refused. Default 500."`
	Wait    time.Duration `yaml:"wait" jsonschema_description:"How long an order waits for the reply before it is cancelled. Default 3s."`
}

const (
	defaultWork    = 2 * time.Millisecond
	defaultBacklog = 500
	maxBacklog     = 100_000
	defaultWait    = 3 * time.Second
	maxWork        = time.Minute

	// The routing keys of the exchange of events.
	keyCharged   = "charged"
	keyRefunded  = "refunded"
	keyReserved  = "reserved"
	keyReleased  = "released"
	keyAttempted = "attempted"
)

// check reports the problems of the leg.
func (a *AMQP) check(problem func(field, message string)) {
	if a == nil {
		return
	}
	switch {
	case a.URL == "":
		problem("amqp.url", "names no broker: write amqp://USER:PASSWORD@HOST:PORT/, or take amqp away")
	case !strings.Contains(a.URL, "${"):
		if _, err := parseBroker(a.URL); err != nil {
			problem("amqp.url", err.Error())
		}
	}
	for _, f := range []struct{ name, address string }{{"amqp.orders", a.Orders}, {"amqp.worker", a.Worker}} {
		if !strings.Contains(f.address, "${") {
			if err := checkAddress("address", f.address); err != nil {
				problem(f.name, err.Error())
			}
		}
	}
	if a.Work < 0 || a.Work > maxWork {
		problem("amqp.work", fmt.Sprintf("must be at most %v", maxWork))
	}
	if a.Backlog < 0 || a.Backlog > maxBacklog {
		problem("amqp.backlog", fmt.Sprintf("must be 1 to %d", maxBacklog))
	}
	if a.Wait < 0 {
		problem("amqp.wait", "is negative")
	}
}

// checkQueueDefects reports defects of a leg that the shop does not have.
func (c *Config) checkQueueDefects(problem func(field, message string)) {
	if c.AMQP != nil {
		return
	}
	for _, name := range c.Defects {
		if queueDefects[name] {
			problem("defects", fmt.Sprintf("defect %s is one of the leg over RabbitMQ: give amqp", name))
		}
	}
}

// parseBroker reads a URL. The library's errors may hold the password.
func parseBroker(url string) (library.URI, error) {
	uri, err := library.ParseURI(url)
	if err != nil {
		return uri, errors.New("is no amqp://USER:PASSWORD@HOST:PORT/VHOST")
	}
	if uri.Scheme != "amqp" {
		return uri, errors.New("must be amqp://: the shop speaks no TLS with the broker")
	}
	return uri, nil
}

// Secrets implements drivers.Secretive: the password of the broker, with what stands around it.
func (c *Config) Secrets() []string {
	if c.AMQP == nil {
		return nil
	}
	_, rest, _ := strings.Cut(c.AMQP.URL, "://")
	authority, _, _ := strings.Cut(rest, "/")
	at := strings.LastIndexByte(authority, '@')
	if at < 0 {
		return nil
	}
	_, password, has := strings.Cut(authority[:at], ":")
	if !has || password == "guest" || strings.Contains(password, "${") {
		return nil
	}
	return []string{":" + password + "@"}
}

// address is where the broker itself listens.
func brokerAddress(uri library.URI) string { return net.JoinHostPort(uri.Host, fmt.Sprint(uri.Port)) }

func (a *AMQP) work() time.Duration { return cmp.Or(a.Work, defaultWork) }
func (a *AMQP) backlog() int        { return cmp.Or(a.Backlog, defaultBacklog) }
func (a *AMQP) wait() time.Duration { return cmp.Or(a.Wait, defaultWait) }
