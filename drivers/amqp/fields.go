package amqp

import (
	"fmt"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers"
	"wringer/drivers/jsonpath"
)

// fieldConfig says where in a message each field stands. Empty texts mean the defaults.
type fieldConfig struct{ id, key, origin, sequence string }

// fieldPaths is a fieldConfig, compiled. A nil path means that messages have no such field.
type fieldPaths struct {
	id                    idPlace
	key, origin, sequence *jsonpath.Path
}

func (c fieldConfig) check(problem func(field, message string)) {
	if _, err := parseIDPlace(c.id); err != nil {
		problem("id", err.Error())
	}
	for _, at := range []struct{ field, text string }{{"key", c.key}, {"origin", c.origin}, {"sequence", c.sequence}} {
		if _, err := parsePath(at.text); err != nil {
			problem(at.field, err.Error())
		}
	}
}

func (c fieldConfig) compile() (p fieldPaths, err error) {
	if p.id, err = parseIDPlace(c.id); err != nil {
		return p, fmt.Errorf("id: %w", err)
	}
	for _, at := range []struct {
		field, text string
		to          **jsonpath.Path
	}{{"key", c.key, &p.key}, {"origin", c.origin, &p.origin}, {"sequence", c.sequence, &p.sequence}} {
		if *at.to, err = parsePath(at.text); err != nil {
			return p, fmt.Errorf("%s: %w", at.field, err)
		}
	}
	return p, nil
}

// parsePath compiles a path; an empty text is a nil path.
func parsePath(text string) (*jsonpath.Path, error) {
	if text == "" {
		return nil, nil
	}
	return jsonpath.Parse(text)
}

// fill reads the fields of a message.
func (p *fieldPaths) fill(d *drivers.Delivery, m *library.Delivery, scratch *[4][]byte) {
	switch {
	case p.id.path != nil:
		d.ID = p.id.path.Find(m.Body, &scratch[0])
	case p.id.message:
		d.ID = []byte(m.MessageId)
	default:
		d.ID = []byte(headerText(m, p.id.header))
	}
	if len(d.ID) == 0 {
		d.ID = nil
	}
	for i, at := range []struct {
		path *jsonpath.Path
		to   *[]byte
	}{{p.key, &d.Key}, {p.origin, &d.Origin}, {p.sequence, &d.Sequence}} {
		if at.path != nil {
			*at.to = at.path.Find(m.Body, &scratch[i+1])
		}
	}
}
