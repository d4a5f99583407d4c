package amqp

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers"
	"wringer/drivers/syntax"
)

// propertyNames are the properties that a stream may set as texts.
var propertyNames = []string{"app_id", "content_encoding", "content_type", "correlation_id", "message_id", "reply_to", "type", "user_id"}

// setProperty sets a property by its name.
func setProperty(m *library.Publishing, name, value string) {
	switch name {
	case "app_id":
		m.AppId = value
	case "content_encoding":
		m.ContentEncoding = value
	case "content_type":
		m.ContentType = value
	case "correlation_id":
		m.CorrelationId = value
	case "message_id":
		m.MessageId = value
	case "reply_to":
		m.ReplyTo = value
	case "type":
		m.Type = value
	case "user_id":
		m.UserId = value
	}
}

// messageTemplate renders the messages of a stream.
type messageTemplate struct {
	identity   drivers.Identity
	place      idPlace
	key        *text
	staticKey  string // the routing key, if all have one
	body       *text
	size       int
	sizes      drivers.Sizes
	sizeSeed   uint64
	headers    []namedText
	properties []namedText
	plain      library.Publishing // what all messages share
	room       int                // bytes that a body usually needs
	correlated bool               // the identity is the correlation id
}

// text is a template with random draws of its own. Two templates of a stream must not draw the same values.
type text struct {
	*drivers.Template
	env drivers.Env
}

type namedText struct {
	name string
	text *text
}

func (t *text) render(op *drivers.Op) string { return t.Template.Render(&t.env, op) }

// drawPlace separates the seeds of templates from other draws of the stream.
const drawPlace = 1 << 61

// noID is what is wrong with a body that should hold the identity.
const noID = "the body holds no {{id}}"

// body is the text of the stream's body, which may stand in a file in folder, and how it is compiled.
func (c *Config) body(folder string) (source string, compile func(string) (*drivers.Template, error), err error) {
	if c.BodyFile == "" {
		return cmp.Or(c.Body, defaultBody), compileBody, nil
	}
	source, err = drivers.ReadFile(drivers.ResolvePath(folder, c.BodyFile))
	return source, func(content string) (*drivers.Template, error) {
		return drivers.Dialect{Syntax: syntax.Body("", content)}.CompileContent(content)
	}, err
}

// compileBody compiles a message's body. A body that is JSON has its texts escaped.
func compileBody(source string) (*drivers.Template, error) {
	return drivers.Dialect{Syntax: syntax.Body("", source)}.Compile(source)
}

// template compiles the texts of c, which has passed Check.
func (c *Config) template(env drivers.Env) (*messageTemplate, error) {
	t := &messageTemplate{identity: env.Identity, size: int(c.Size), sizeSeed: drivers.Draw(env.Seed, 0, drawPlace)}
	var place uint64
	compile := func(field, source string, with func(string) (*drivers.Template, error)) (*text, error) {
		compiled, err := with(source)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", drivers.ErrConfig, field, err)
		}
		place++
		own := env
		own.Seed = drivers.Draw(env.Seed, place, drawPlace)
		return &text{compiled, own}, nil
	}
	var err error
	if t.place, err = parseIDPlace(c.ID); err != nil {
		return nil, fmt.Errorf("%w: id: %w", drivers.ErrConfig, err)
	}
	if t.sizes, err = drivers.CompileSizes(c.Sizes); err != nil {
		return nil, fmt.Errorf("%w: sizes: %w", drivers.ErrConfig, err)
	}
	if t.key, err = compile("routing_key", cmp.Or(c.Queue, c.RoutingKey), c.keyTemplate); err != nil {
		return nil, err
	}
	if t.key.Static() {
		t.staticKey, t.key = t.key.render(&drivers.Op{}), nil
	}
	source, compileSource, err := c.body(env.Files)
	if err != nil {
		return nil, fmt.Errorf("%w: body_file: %w", drivers.ErrConfig, err)
	}
	if t.body, err = compile("body", source, compileSource); err != nil {
		return nil, err
	}
	if t.place.path != nil && !strings.Contains(source, "{{id}}") {
		return nil, fmt.Errorf("%w: id: %s", drivers.ErrConfig, noID)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		header, err := compile("headers."+name, c.Headers[name], drivers.CompileTemplate)
		if err != nil {
			return nil, err
		}
		t.headers = append(t.headers, namedText{name, header})
	}
	for _, h := range env.Trace.Headers {
		header, err := compile("trace", h.Template, drivers.CompileTemplate)
		if err != nil {
			return nil, err
		}
		t.headers = append(t.headers, namedText{h.Name, header})
	}
	t.plain = library.Publishing{ContentType: defaultContentType, DeliveryMode: library.Transient, Priority: c.Priority}
	if c.Reply != nil {
		t.plain.ReplyTo, t.correlated = c.Reply.replyTo(env.Stream), true
	}
	if c.persistent() {
		t.plain.DeliveryMode = library.Persistent
	}
	if c.Expiration > 0 {
		t.plain.Expiration = strconv.FormatInt(int64(c.Expiration/time.Millisecond), 10)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Properties)) {
		property, err := compile("properties."+name, c.Properties[name], drivers.CompileTemplate)
		if err != nil {
			return nil, err
		}
		if property.Static() {
			setProperty(&t.plain, name, property.render(&drivers.Op{}))
			continue
		}
		t.properties = append(t.properties, namedText{name, property})
	}
	t.room = max(t.size, 2*len(t.body.String()))
	return t, nil
}

// keyTemplate compiles the routing key. A queue's name is no template.
func (c *Config) keyTemplate(source string) (*drivers.Template, error) {
	if c.Queue != "" {
		return drivers.Literal(source), nil
	}
	return drivers.CompileTemplate(source)
}

// publish makes the publish of one attempt. All attempts of an operation carry the same bytes, except the attempt's number.
func (t *messageTemplate) publish(op *drivers.Op, at *drivers.Attempt, done func()) (*publish, error) {
	p := &publish{ref: ref{op.Seq, at.Number}, at: at, done: done, message: t.plain, key: t.staticKey}
	p.timed, p.deadline = at.Timeout > 0, at.Begun+at.Timeout
	if t.key != nil {
		p.key = t.key.render(op)
	}
	body := t.body.Append(make([]byte, 0, t.room), &t.body.env, op)
	p.message.Body = drivers.Pad(body, max(t.size, t.sizes.Of(t.sizeSeed, op.Seq)))
	if n := len(t.headers); n > 0 || t.place.header != "" || at.Number > 1 {
		p.message.Headers = make(library.Table, n+2)
	}
	switch {
	case t.place.header != "":
		p.message.Headers[HeaderID] = t.identity.Text(op.Seq)
	case t.place.message:
		p.message.MessageId = t.identity.Text(op.Seq)
	}
	if t.correlated {
		p.message.CorrelationId = t.identity.Text(op.Seq)
	}
	if at.Number > 1 {
		p.message.Headers[HeaderAttempt] = strconv.Itoa(at.Number)
	}
	for _, h := range t.headers {
		p.message.Headers[h.name] = h.text.render(op)
	}
	for _, one := range t.properties {
		value := one.text.render(op)
		if len(value) > maxName {
			return p, fmt.Errorf("the property %s has %d bytes; the maximum is %d", one.name, len(value), maxName)
		}
		setProperty(&p.message, one.name, value)
	}
	if len(p.key) > maxName {
		return p, fmt.Errorf("the routing key has %d bytes; the maximum is %d", len(p.key), maxName)
	}
	return p, nil
}

// owner tells whose message was returned.
type owner struct {
	identity drivers.IdentityReader
	place    idPlace
	scratch  []byte
}

// of returns the attempt that published a message; ok is false if it is not one of this stream.
func (o *owner) of(p properties, body []byte) (r ref, ok bool) {
	id := p.id
	switch {
	case o.place.message:
		id = p.message
	case o.place.path != nil:
		id = o.place.path.Find(body, &o.scratch)
	}
	seq, whose := o.identity.Parse(id)
	if whose != drivers.Ours {
		return ref{}, false
	}
	number, ok := attemptNumber(p.attempt)
	return ref{seq, number}, ok
}

// attemptNumber reads the header wringer-attempt: 1 if there is none.
func attemptNumber(text []byte) (n int, ok bool) {
	if len(text) == 0 {
		return 1, true
	}
	number, ok := drivers.ParseNumber(text)
	return int(number), ok && number > 0 && number <= maxAttempt
}

// maxAttempt bounds an attempt's number that is believed.
const maxAttempt = 1 << 20
