package reply

import (
	"errors"
	"fmt"

	"wringer/drivers"
	"wringer/drivers/effect"
	"wringer/drivers/jsonpath"
)

// Fields is what the `reply:` parts of all protocols have in common: what must hold of a reply.
type Fields struct {
	ID    string            `yaml:"id" jsonschema_description:"JSON path to the identity that a reply itself names, as in $.orderId. A reply that names another operation than its correlation id counts as misdirected, and fails. Default: not compared."`
	Match map[string]string `yaml:"match" jsonschema_description:"Fields that a reply must have: {JSON PATH: TEMPLATE}, as in {$.status: reserved}. A template may hold {{id}}, {{seq}}, {{key}} and {{data.NAME}}. A reply that differs has the code check, and is indeterminate unless outcomes says otherwise."`
}

// Check reports the problems of the fields.
func (f *Fields) Check(problem func(field, message string)) {
	if f.ID != "" {
		if err := effect.CheckPath(f.ID); err != nil {
			problem("reply.id", err.Error())
		}
	}
	f.matched().Check(effect.CheckPath, func(field, message string) { problem("reply."+field, message) })
}

// Checks says that a reply may fail.
func (f *Fields) Checks() bool { return f.ID != "" || len(f.Match) > 0 }

func (f *Fields) matched() *effect.Fields { return &effect.Fields{Match: f.Match} }

// judge says what is wrong with a reply. It is not safe for concurrent use.
type judge struct {
	fields    Fields
	id        *jsonpath.Path // nil: not compared
	reader    *effect.Reader
	documents effect.Documents
	scratch   []byte
}

// open prepares a judge. Its errors wrap drivers.ErrConfig.
func (f *Fields) open(env drivers.Env) (*judge, error) {
	j := &judge{fields: *f}
	var err error
	if f.ID != "" {
		if j.id, err = jsonpath.Parse(f.ID); err != nil {
			return nil, fmt.Errorf("%w: reply.id: %w", drivers.ErrConfig, err)
		}
	}
	if j.reader, err = f.matched().Open(env); err != nil {
		return nil, fmt.Errorf("reply: %w", err)
	}
	if j.documents, err = f.matched().Documents(); err != nil {
		return nil, fmt.Errorf("%w: reply.match: %w", drivers.ErrConfig, err)
	}
	return j, nil
}

// wrong says what is wrong with a reply to the operation that its correlation id names; empty: nothing. misdirected says that the
// reply itself names another.
func (j *judge) wrong(correlation, body []byte) (why string, misdirected bool) {
	if j.id != nil {
		switch named := j.id.Find(body, &j.scratch); {
		case named == nil:
			return fmt.Sprintf("the reply has no %s: %s", j.fields.ID, clip(body)), false
		case string(named) != string(correlation):
			return fmt.Sprintf("the reply to %s names %s", correlation, clip(named)), true
		}
	}
	if len(j.fields.Match) == 0 {
		return "", false
	}
	field, err := j.documents.Fields(body)
	if err != nil {
		return errors.Join(fmt.Errorf("the reply is %q", clip(body)), err).Error(), false
	}
	if differs := j.reader.Differs(correlation, field); differs != "" {
		return "the reply differs: " + differs, false
	}
	return "", false
}

// clip bounds a text that is quoted.
func clip(text []byte) string {
	const most = 80
	if len(text) > most {
		return string(text[:most]) + "..."
	}
	return string(text)
}
