package payload

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"wringer/drivers"
)

// FieldError says what is wrong with one field of a message.
type FieldError struct {
	Path string // as in message.items[0].sku
	Err  error
}

func (e *FieldError) Error() string { return e.Path + ": " + e.Err.Error() }
func (e *FieldError) Unwrap() error { return e.Err }

func atField(path string, err error) error { return &FieldError{path, err} }

func badField(path, format string, args ...any) error {
	return &FieldError{path, fmt.Errorf(format, args...)}
}

// Tell hands the errors of fields to problem, and returns any other error.
func Tell(err error, problem func(path, message string)) error {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		var others []error
		for _, one := range several.Unwrap() {
			others = append(others, Tell(one, problem))
		}
		return errors.Join(others...)
	}
	var field *FieldError
	if !errors.As(err, &field) {
		return err
	}
	problem(field.Path, field.Err.Error())
	return nil
}

// told hands an error to Problem, if there is one.
func (c *Compiler) told(err error) error {
	if c.Problem == nil {
		return err
	}
	return Tell(err, c.Problem)
}

// Late says whether a text was left out, so that the message is not whole.
func (c *Compiler) Late() bool { return c.late }

// unknown says whether a value is a text that is left out.
func (c *Compiler) unknown(v any) bool {
	s, ok := v.(string)
	if !ok || c.Problem == nil || !strings.Contains(s, "${") && (c.Later == nil || !c.Later(s)) {
		return false
	}
	c.late = true
	return true
}

// holdsUnknown says whether a value holds a text that is left out.
func (c *Compiler) holdsUnknown(v any) bool {
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, c.holdsUnknown)
	case map[string]any:
		for _, inner := range v {
			if c.holdsUnknown(inner) {
				return true
			}
		}
	}
	return c.unknown(v)
}

// tried renders a message once where errors are gathered: then the first operation shows them.
func (c *Compiler) tried(m Message) (Message, error) {
	if c.Problem == nil {
		return m, nil
	}
	_, err := m.Append(nil, new(drivers.Op))
	return m, err
}
