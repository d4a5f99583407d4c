package checks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"wringer/drivers"
)

// value is an expected value; a part of it may be rendered for the operation.
type value func(op *drivers.Op) any

// rendered is the text that a string with {{...}} gave. It equals a text, and a number or a truth value that is written so: a captured
// number is rendered as its text.
type rendered string

// equals compares it with a decoded JSON value.
func (r rendered) equals(v any) bool {
	switch v := v.(type) {
	case string:
		return string(r) == v
	case rendered:
		return r == v
	case json.Number:
		return json.Valid([]byte(r)) && sameNumber(string(r), string(v))
	case bool:
		return string(r) == strconv.FormatBool(v)
	}
	return false
}

// value prepares an expected value; a string with {{...}} in it is rendered per operation, at any depth. nil: something is wrong with it.
func (c *Compiler) value(field string, v any) value {
	if !templated(v) {
		return c.plain(field, v)
	}
	switch v := v.(type) {
	case string:
		render := c.Text(field, v, nil)
		if render == nil {
			return nil
		}
		return func(op *drivers.Op) any { return rendered(render(nil, op)) }
	case []any:
		return c.list(field, v)
	case map[string]any:
		return c.object(field, v)
	}
	return c.plain(field, v)
}

func (c *Compiler) list(field string, v []any) value {
	parts, whole := make([]value, len(v)), true
	for i, part := range v {
		parts[i] = c.value(fmt.Sprintf("%s[%d]", field, i), part)
		whole = whole && parts[i] != nil
	}
	if !whole {
		return nil
	}
	return func(op *drivers.Op) any {
		all := make([]any, len(parts))
		for i, part := range parts {
			all[i] = part(op)
		}
		return all
	}
}

func (c *Compiler) object(field string, v map[string]any) value {
	parts, whole := make(map[string]value, len(v)), true
	for _, name := range slices.Sorted(maps.Keys(v)) {
		parts[name] = c.value(field+"."+name, v[name])
		whole = whole && parts[name] != nil
	}
	if !whole {
		return nil
	}
	return func(op *drivers.Op) any {
		all := make(map[string]any, len(parts))
		for name, part := range parts {
			all[name] = part(op)
		}
		return all
	}
}

// templated says whether a string with {{...}} stands in the value. The names of an object's members are taken as they are.
func templated(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.Contains(v, "{{")
	case []any:
		return slices.ContainsFunc(v, templated)
	case map[string]any:
		for _, part := range v {
			if templated(part) {
				return true
			}
		}
	}
	return false
}

// plain prepares an expected value without {{...}}.
func (c *Compiler) plain(field string, v any) value {
	text, err := json.Marshal(v)
	if err != nil {
		c.Problem(field, "is no JSON value")
		return nil
	}
	plain, err := Decode(text)
	if err != nil {
		c.Problem(field, err.Error())
		return nil
	}
	return func(*drivers.Op) any { return plain }
}

// Decode decodes one JSON value and nothing more; numbers stay as they are written.
func Decode(text []byte) (doc any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return nil, err
	}
	if d.InputOffset() != int64(len(bytes.TrimRight(text, " \t\r\n"))) {
		return nil, errors.New("more than one JSON value")
	}
	return doc, nil
}

// same compares decoded JSON a with b; each may hold rendered texts. Numbers are compared by value: 1, 1.0 and 1e0 are the same, 2^53+1
// and 2^53 are not.
func (c *Compiler) same(a, b any) bool {
	if text, ok := b.(rendered); ok {
		return text.equals(a) || c.sameAsText(a, b)
	}
	switch x := a.(type) {
	case rendered:
		return x.equals(b) || c.sameAsText(a, b)
	case json.Number:
		if y, ok := b.(json.Number); ok {
			return sameNumber(string(x), string(y))
		}
		return c.sameAsText(a, b)
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, c.same)
	case map[string]any:
		y, ok := b.(map[string]any)
		return ok && maps.EqualFunc(x, y, c.same)
	}
	return a == b || c.sameAsText(a, b)
}

// sameAsText compares a number with a text that is a number, where the protocol writes whole numbers so.
func (c *Compiler) sameAsText(a, b any) bool {
	if !c.TextNumbers {
		return false
	}
	x, isX := c.number(a)
	y, isY := c.number(b)
	_, numberA := a.(json.Number)
	_, numberB := b.(json.Number)
	_, renderedA := a.(rendered)
	_, renderedB := b.(rendered)
	return isX && isY && (numberA || numberB || renderedA || renderedB) && sameNumber(x, y)
}

// number is the number that a value is, as it is written: also a rendered text that is one, and any such text where the protocol writes
// numbers so.
func (c *Compiler) number(v any) (string, bool) {
	switch v := v.(type) {
	case json.Number:
		return string(v), true
	case rendered:
		return string(v), isNumber(string(v))
	case string:
		return v, c.TextNumbers && isNumber(v)
	}
	return "", false
}

// isNumber says whether a text is a JSON number.
func isNumber(s string) bool {
	return s != "" && (s[0] == '-' || s[0] >= '0' && s[0] <= '9') && json.Valid([]byte(s))
}

// plainText is the text of a string, rendered or not.
func plainText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case rendered:
		return string(v), true
	}
	return "", false
}

// scalarText is the text of a string, a number or a truth value.
func scalarText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return string(v), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// CaptureText is the value at a place of a document, as a capture keeps it: the text of a string, any other value as JSON. null counts
// as absent.
func CaptureText(v any, found bool) ([]byte, bool) {
	if !found || v == nil {
		return nil, false
	}
	if s, ok := v.(string); ok {
		return []byte(s), true
	}
	text, err := json.Marshal(v)
	return text, err == nil
}

// unsure says that two values are numbers of which it is not known whether they are the same: one is too long to be expanded.
func (c *Compiler) unsure(a, b any) bool {
	x, isX := c.number(a)
	y, isY := c.number(b)
	return isX && isY && (unwieldy(x) || unwieldy(y))
}

func sameNumber(a, b string) bool {
	order, ok := compareNumbers(a, b)
	return a == b || ok && order == 0
}

// compareNumbers compares two JSON numbers by value; ok is false if one is too long to be compared.
func compareNumbers(a, b string) (order int, ok bool) {
	if unwieldy(a) || unwieldy(b) {
		return 0, false
	}
	x, ok1 := new(big.Rat).SetString(a)
	y, ok2 := new(big.Rat).SetString(b)
	if !ok1 || !ok2 {
		return 0, false
	}
	return x.Cmp(y), true
}

// unwieldy says that a number is not to be expanded: an exponent of a million would take a million digits of memory.
func unwieldy(s string) bool {
	const longest = 64
	if len(s) > longest {
		return true
	}
	i := strings.IndexAny(s, "eE")
	if i < 0 {
		return false
	}
	n, err := strconv.Atoi(s[i+1:])
	return err != nil || n > 400 || n < -400
}

// What a failure shows of an answer, in bytes.
const (
	ShownBody  = 200
	ShownValue = 60
)

// Shown is a JSON value as the text of a failure shows it.
func Shown(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "no JSON value"
	}
	most := ShownValue
	if _, whole := v.(map[string]any); whole {
		most = ShownBody
	}
	if len(text) > most {
		return strings.ToValidUTF8(string(text[:most]), "") + "..."
	}
	return string(text)
}
