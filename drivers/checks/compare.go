package checks

import (
	"fmt"
	"regexp"
	"strings"

	"wringer/drivers"
)

// signs has the longer ones first.
var signs = []string{"<=", ">=", "==", "!=", "<", ">"}

// CutComparison cuts a comparison off the front of a text; sign is empty if there is none.
func CutComparison(text string) (sign, rest string) {
	for _, s := range signs {
		if rest, found := strings.CutPrefix(text, s); found {
			return s, strings.TrimSpace(rest)
		}
	}
	return "", text
}

// Holds says whether a comparison holds between two values of which the first is below (order < 0), equal to or above the second.
func Holds(sign string, order int) bool {
	switch sign {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	case "!=":
		return order != 0
	}
	return order == 0
}

// relation is LEFT SIGN RIGHT. The sign stands between blanks, so that a path may hold one.
var relation = regexp.MustCompile(`^(.*\S)\s+(==|!=|<=|>=|<|>)\s+(\S.*)$`)

// side is one of two values that are compared.
type side struct {
	text string
	of   func(doc any, op *drivers.Op) (v any, found bool)
}

// compare compiles a comparison of two values; nil if something is wrong with it.
func (c *Compiler) compare(field, text string) condition {
	parts := relation.FindStringSubmatch(strings.TrimSpace(text))
	if parts == nil {
		c.Problem(field, fmt.Sprintf("%q: write two values with one of == != < <= > >= between blanks, as in $.paid <= $.total", text))
		return nil
	}
	left, right := c.side(field, parts[1]), c.side(field, parts[3])
	switch {
	case left == nil || right == nil:
		return nil
	case !strings.Contains(parts[1]+parts[3], "$"):
		c.Problem(field, fmt.Sprintf("%q: no side is a value of the answer; begin one with $, as in $.total", text))
		return nil
	}
	sign := parts[2]
	return func(doc any, op *drivers.Op) string { return c.relate(left, right, sign, doc, op) }
}

// side compiles one of two values: a path, a text with {{...}}, or a JSON value.
func (c *Compiler) side(field, text string) *side {
	if strings.HasPrefix(text, "$") {
		p, ok := c.place(field, text)
		if !ok {
			return nil
		}
		return &side{text, func(doc any, _ *drivers.Op) (any, bool) { return p.path.In(doc) }}
	}
	if strings.Contains(text, "{{") {
		render := c.Text(field, text, nil)
		if render == nil {
			return nil
		}
		return &side{text, func(_ any, op *drivers.Op) (any, bool) { return rendered(render(nil, op)), true }}
	}
	plain, err := Decode([]byte(text))
	if err != nil {
		c.Problem(field, fmt.Sprintf("%q is no value: write a path ($.total), a text with {{...}}, or a JSON value such as 3 or \"paid\"", text))
		return nil
	}
	return &side{text, func(any, *drivers.Op) (any, bool) { return plain, true }}
}

// relate returns why two values do not stand in a relation, "" if they do.
func (c *Compiler) relate(left, right *side, sign string, doc any, op *drivers.Op) string {
	a, found := left.of(doc, op)
	if !found {
		return "json " + left.text + " is absent: " + Shown(doc)
	}
	b, found := right.of(doc, op)
	if !found {
		return "json " + right.text + " is absent: " + Shown(doc)
	}
	told := func(why string) string {
		return fmt.Sprintf("%s is %s and %s is %s, %s", left.text, Shown(a), right.text, Shown(b), why)
	}
	if sign == "==" || sign == "!=" {
		switch same := c.same(a, b); {
		case !same && c.unsure(a, b):
			return told("of which one is too long a number to be compared")
		case same == (sign == "=="):
			return ""
		}
		return told("and not " + sign)
	}
	order, ok := c.order(a, b)
	switch {
	case !ok:
		return told("which have no order: two numbers or two texts have one")
	case !Holds(sign, order):
		return told("and not " + sign)
	}
	return ""
}

// order compares two numbers by value, or two texts by their bytes. A rendered text is a number where the other value is one, and where
// both are.
func (c *Compiler) order(a, b any) (order int, ok bool) {
	x, isX := c.number(a)
	y, isY := c.number(b)
	if isX && isY {
		return compareNumbers(x, y)
	}
	s, isS := plainText(a)
	t, isT := plainText(b)
	return strings.Compare(s, t), isS && isT
}
