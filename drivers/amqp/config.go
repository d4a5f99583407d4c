package amqp

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"wringer/drivers"
	"wringer/drivers/jsonpath"
	"wringer/drivers/tlsconfig"
)

// Config is the `amqp:` part of a stream.
type Config struct {
	URL         string            `yaml:"url" jsonschema:"required" jsonschema_description:"Where the broker is: amqp://USER:PASSWORD@HOST:PORT/VHOST, or amqps:// for TLS. Nodes of one cluster are separated by commas: amqp://a:5672,b:5672/. Write the password as ${env.NAME}: what comes from the environment is never recorded. Default user: guest."`
	Queue       string            `yaml:"queue" jsonschema_description:"The queue to publish to, by the default exchange. Or exchange."`
	Exchange    string            `yaml:"exchange" jsonschema_description:"The exchange to publish to. Or queue."`
	RoutingKey  string            `yaml:"routing_key" jsonschema_description:"The routing key. May hold {{...}}. Default: the queue's name; with an exchange none."`
	Declare     *Topology         `yaml:"declare" jsonschema_description:"Exchanges, queues and bindings that are made when they are absent. What this run made is removed at its end. Default: what is absent is an error."`
	Stream      bool              `yaml:"stream" jsonschema_description:"The queue is there already, and is a stream: several readers may read it. A queue of declare says its type there."`
	Body        string            `yaml:"body" jsonschema_description:"The message's body. May hold {{...}}. Default: {\"id\":\"{{id}}\"}."`
	BodyFile    string            `yaml:"body_file" path:"file" jsonschema_description:"Instead of body: a file that holds it, relative to the scenario; read once. May hold {{...}} where it is UTF-8; other bytes go out as they stand."`
	Size        drivers.Bytes     `yaml:"size" jsonschema_description:"Bodies that are shorter are padded to this size with spaces, which JSON allows."`
	Sizes       map[string]uint32 `yaml:"sizes" jsonschema_description:"Sizes of bodies and their weights, drawn for each message: {100: 90, 1KiB-4KiB: 9, 1MiB: 1}. Instead of size."`
	Headers     map[string]string `yaml:"headers" jsonschema_description:"Further headers by name. Values may hold {{...}}."`
	Properties  map[string]string `yaml:"properties" jsonschema_description:"Properties by name: content_type, content_encoding, correlation_id, reply_to, message_id, type, user_id, app_id. Values may hold {{...}}. Default: content_type application/json."`
	ID          string            `yaml:"id" jsonschema_description:"Where a message carries its operation's identity: header wringer-id (the default), message_id, or a JSON path into the body, as in $.id, where body writes {{id}} itself."`
	Persistent  *bool             `yaml:"persistent" jsonschema_description:"The broker writes messages to disk. Default true."`
	Priority    uint8             `yaml:"priority" jsonschema_description:"The message's priority, for queues with x-max-priority. Default 0."`
	Expiration  time.Duration     `yaml:"expiration" jsonschema_description:"How long a message may wait in a queue, in whole milliseconds. Default: for ever."`
	Mandatory   *bool             `yaml:"mandatory" jsonschema_description:"The broker returns a message that no queue gets; it counts as rejected. Without it such a message is confirmed, and lost. Default true."`
	Confirm     *bool             `yaml:"confirm" jsonschema_description:"The broker confirms each message. Without it acked says no more than that the message was written to the connection. Default true."`
	Outstanding int               `yaml:"outstanding" jsonschema_description:"Messages of one channel that may await their confirms at once; 1 sends them one by one. Default 65536."`
	Connections int               `yaml:"connections" jsonschema_description:"Connections, spread over the nodes. Default 1."`
	Channels    int               `yaml:"channels" jsonschema_description:"Channels of each connection. One channel sends all messages of a key; messages without a key go to each in turn. Default 1."`
	Heartbeat   time.Duration     `yaml:"heartbeat" jsonschema_description:"A connection without a sign of life for so long is given up, in whole seconds. Default 10s."`
	Management  string            `yaml:"management" jsonschema_description:"The management API, which tells the depth of queue in place of passive declares, and what is unacked: http://USER:PASSWORD@HOST:15672/, or https://. Without a user, that of url. Its counts are as old as the broker's statistics, up to 5s by default. Default: passive declares, which tell what is ready alone."`
	Verify      *bool             `yaml:"verify" jsonschema_description:"Read the messages back and account for every one. Default: true for a queue that this run declares and for a stream; of any other queue it takes the messages away."`
	Reply       *Reply            `yaml:"reply" jsonschema_description:"Each message is a request, with reply_to and the operation's identity as correlation_id; its operation is acked when the reply came. {} suffices. Default: none; acked when confirmed."`
	TLS         *tlsconfig.Config `yaml:"tls" jsonschema_description:"Speak TLS with the broker."`
	SASL        *SASL             `yaml:"sasl" jsonschema_description:"Log in to the broker by other means than the URL's user."`
}

const (
	// HeaderID is the header that carries the operation's identity.
	HeaderID = "wringer-id"
	// HeaderAttempt is the header that carries the attempt's number when the number is 2 or more. It tells a retry by the
	// stream's own policy from a message that was delivered again.
	HeaderAttempt = "wringer-attempt"

	defaultBody        = `{"id":"{{id}}"}`
	defaultContentType = "application/json"
	defaultOutstanding = 1 << 16
	defaultHeartbeat   = 10 * time.Second
	maxHeartbeat       = 10 * time.Minute
	maxConnections     = 256
	maxChannels        = 256
	maxExpiration      = 1<<32 - 1 // milliseconds
	maxName            = 255       // bytes of a name or routing key
)

// Check implements drivers.Config.
func (c *Config) Check(problem func(field, message string)) {
	c.access().check(problem)
	c.checkPlace(problem)
	c.Declare.check(problem)
	c.checkAmounts(problem)
	c.checkTexts(problem)
	c.checkVerify(problem)
	c.checkReply(problem)
	c.checkManagement(problem)
}

func (c *Config) checkPlace(problem func(field, message string)) {
	switch {
	case c.Queue == "" && c.Exchange == "":
		problem("queue", "names no queue; give queue, or exchange")
	case c.Queue != "" && c.Exchange != "":
		problem("exchange", "stands beside queue; keep one of the two")
	case c.Queue != "" && c.RoutingKey != "":
		problem("routing_key", "goes with exchange: the default exchange routes by the queue's name")
	}
	checkName("queue", c.Queue, problem)
	checkName("exchange", c.Exchange, problem)
	if c.Stream && (c.Queue == "" || c.Declare.queue(c.Queue) != nil) {
		problem("stream", "is for a queue that is there already; of a queue in declare write type: stream there")
	}
}

func checkName(field, name string, problem func(field, message string)) {
	if len(name) > maxName {
		problem(field, fmt.Sprintf("has %d bytes; the maximum is %d", len(name), maxName))
	}
	if strings.Contains(name, "{{") {
		problem(field, "{{...}} is not rendered in a name; routing_key may hold it")
	}
}

func (c *Config) checkAmounts(problem func(field, message string)) {
	if c.Size < 0 || c.Size > drivers.MaxSize {
		problem("size", fmt.Sprintf("must be at most %s", drivers.Bytes(drivers.MaxSize)))
	}
	if _, err := drivers.CompileSizes(c.Sizes); err != nil {
		problem("sizes", err.Error())
	}
	if c.Size > 0 && len(c.Sizes) > 0 {
		problem("sizes", "conflicts with size: add that size to sizes, or leave size out")
	}
	if c.Expiration < 0 || c.Expiration%time.Millisecond != 0 || c.Expiration/time.Millisecond > maxExpiration {
		problem("expiration", "must be whole milliseconds, as in 500ms, and at most 49 days")
	}
	if c.Heartbeat < 0 || c.Heartbeat%time.Second != 0 || c.Heartbeat > maxHeartbeat {
		problem("heartbeat", fmt.Sprintf("must be whole seconds, at most %v", maxHeartbeat))
	}
	for _, n := range []struct {
		field    string
		is, most int
	}{{"outstanding", c.Outstanding, defaultOutstanding}, {"connections", c.Connections, maxConnections}, {"channels", c.Channels, maxChannels}} {
		if n.is < 0 || n.is > n.most {
			problem(n.field, fmt.Sprintf("must be 1 to %d", n.most))
		}
	}
	if !c.confirm() && c.Outstanding > 0 {
		problem("outstanding", "needs confirm: without confirms nothing is awaited")
	}
}

func (c *Config) checkTexts(problem func(field, message string)) {
	texts := map[string]string{"routing_key": c.RoutingKey, "body": c.Body}
	for name, text := range c.Headers {
		texts["headers."+name] = text
		if name == HeaderID || name == HeaderAttempt {
			problem("headers."+name, "is the driver's own header; choose another name")
		}
		checkName("headers."+name, name, problem)
	}
	for name, text := range c.Properties {
		texts["properties."+name] = text
		if !slices.Contains(propertyNames, name) {
			problem("properties."+name, "is no property; allowed are "+strings.Join(propertyNames, ", "))
		}
	}
	if c.Body != "" && c.BodyFile != "" {
		problem("body_file", "stands beside body; keep one of the two")
	}
	for _, field := range slices.Sorted(maps.Keys(texts)) {
		compile := drivers.CompileTemplate
		if field == "body" {
			compile = compileBody
		}
		if _, err := compile(texts[field]); err != nil {
			problem(field, err.Error())
		}
	}
	c.checkID(problem)
}

func (c *Config) checkID(problem func(field, message string)) {
	place, err := parseIDPlace(c.ID)
	switch {
	case err != nil:
		problem("id", err.Error())
	case place.header != "" && place.header != HeaderID:
		problem("id", "the header that carries the identity is "+HeaderID+"; write header "+HeaderID+", message_id or a JSON path")
	case place.path != nil && c.BodyFile == "" && !strings.Contains(cmp.Or(c.Body, defaultBody), "{{id}}"):
		problem("id", noID)
	}
	if place.message && c.Properties["message_id"] != "" {
		problem("properties.message_id", "carries the identity, as id says")
	}
}

func (c *Config) checkVerify(problem func(field, message string)) {
	if c.Verify == nil || !*c.Verify {
		return
	}
	if _, _, err := c.verified(); err != nil {
		problem("verify", err.Error())
	}
}

// verified is the queue from which the stream's messages are read back; empty: they are not. stream says that the queue is a stream.
func (c *Config) verified() (queue string, stream bool, err error) {
	asked := c.Verify != nil && *c.Verify
	if c.Verify != nil && !asked || c.Reply != nil && !asked {
		return "", false, nil // requests are for those that reply to them
	}
	if c.Queue != "" {
		made := c.Declare.queue(c.Queue)
		if made == nil && !c.Stream && !asked {
			return "", false, nil
		}
		return c.Queue, c.Stream || made != nil && made.Type == typeStream, nil
	}
	bound := c.Declare.boundTo(c.Exchange)
	if len(bound) == 1 {
		return bound[0], c.Declare.Queues[bound[0]].Type == typeStream, nil
	}
	if !asked {
		return "", false, nil
	}
	return "", false, errors.New(c.unverified())
}

// notVerified is why a stream without `verify: false` is not read back; empty: it is.
func (c *Config) notVerified() string {
	if c.Verify != nil && !*c.Verify || c.verifies() {
		return ""
	}
	return c.unverified()
}

// unverified is why the messages of a stream cannot be read back from a queue that verified does not know.
func (c *Config) unverified() string {
	if c.Queue != "" {
		return fmt.Sprintf("the queue %s is of others; have it made by declare, or say verify: true, which takes its messages away from the system", c.Queue)
	}
	switch bound := c.Declare.boundTo(c.Exchange); len(bound) {
	case 0:
		return fmt.Sprintf("no queue of declare is bound to %s, and queues of others are not read; declare one, or give the stream effects", c.Exchange)
	default:
		return fmt.Sprintf("%d queues of declare are bound to %s (%s), and each message may be due in some of them; give the stream effects with a place for each queue, or bind one", len(bound), c.Exchange, strings.Join(bound, ", "))
	}
}

func (c *Config) verifies() bool {
	queue, _, err := c.verified()
	return err == nil && queue != ""
}

func (c *Config) access() access     { return access{c.URL, c.TLS, c.SASL} }
func (c *Config) confirm() bool      { return c.Confirm == nil || *c.Confirm }
func (c *Config) mandatory() bool    { return c.Mandatory == nil || *c.Mandatory }
func (c *Config) persistent() bool   { return c.Persistent == nil || *c.Persistent }
func (c *Config) connections() int   { return max(1, c.Connections) }
func (c *Config) channels() int      { return max(1, c.Channels) }
func holdsVariable(text string) bool { return strings.Contains(text, "${") }

func (c *Config) outstanding() int {
	if c.Outstanding > 0 {
		return c.Outstanding
	}
	return defaultOutstanding
}

// idPlace is where a message carries an identity.
type idPlace struct {
	header  string         // empty: in none
	message bool           // in message-id
	path    *jsonpath.Path // into the body; nil: not there
}

// parseIDPlace reads `header NAME`, `message_id` or a JSON path. An empty text is the header wringer-id.
func parseIDPlace(text string) (p idPlace, err error) {
	name, isHeader := strings.CutPrefix(text, "header ")
	switch {
	case text == "":
		p.header = HeaderID
	case isHeader:
		if p.header = strings.TrimSpace(name); p.header == "" {
			return p, errors.New("header names no header: write header x-event-id")
		}
	case text == "message_id":
		p.message = true
	default:
		p.path, err = jsonpath.Parse(text)
	}
	return p, err
}
