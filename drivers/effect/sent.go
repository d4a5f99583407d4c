package effect

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"wringer/drivers"
	"wringer/drivers/jsonpath"
)

// sentPlace is a template that is one field of the body that was sent.
var sentPlace = regexp.MustCompile(`^\s*\{\{\s*sent\s+(\$\S*?)\s*\}\}\s*$`)

// sent is a field of the body that was sent.
type sent struct {
	path          *jsonpath.Path
	body          drivers.SentBody
	text, scratch []byte
}

// cutSent returns the path of a template {{sent PATH}}; is is false if the template is another.
func cutSent(text string) (path *jsonpath.Path, is bool, err error) {
	found := sentPlace.FindStringSubmatch(text)
	if found == nil {
		return nil, false, nil
	}
	path, err = jsonpath.Parse(found[1])
	return path, true, err
}

// openSent prepares a field. It must be in the body, and must not depend on anything but an operation's number and key: two bodies
// of one operation with other times are compared.
func openSent(path *jsonpath.Path, env *drivers.Env) (*sent, error) {
	if env.Sent == nil {
		why := env.NotSent
		if why == nil {
			why = errors.New("its driver tells none: rest with a body, amqp and kafka do")
		}
		return nil, fmt.Errorf("{{sent}} needs a body that can be computed again: %w", why)
	}
	s := &sent{path: path, body: env.Sent}
	first, found := s.of(&drivers.Op{Keyed: env.Keys > 0})
	if !found {
		return nil, errors.New("{{sent}}: the body that the stream sends has no such field")
	}
	before := string(first)
	later, _ := s.of(&drivers.Op{Keyed: env.Keys > 0, KeySeq: 1, Planned: 25*time.Hour + time.Millisecond})
	if before != string(later) {
		return nil, errors.New("{{sent}}: the field depends on the time of the operation, or on how many its key had before; these are not kept once the operation is over")
	}
	return s, nil
}

// of is the field in the body of an operation. It is valid until the next call.
func (s *sent) of(op *drivers.Op) (text []byte, found bool) {
	s.text = s.body(s.text[:0], op)
	text = s.path.Find(s.text, &s.scratch)
	return text, text != nil
}
