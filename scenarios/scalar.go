package scenarios

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// wanted describes a scalar of type t in words, with its form.
func wanted(t reflect.Type) string {
	switch {
	case t == durationType:
		return "a duration such as 500ms, 5s or 2m"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.String:
		return "a text"
	case reflect.Int <= t.Kind() && t.Kind() <= reflect.Uint64:
		return "a whole number"
	}
	return "a number"
}

// scalar decodes one value that is written as a single word or text.
func (d *decoder) scalar(n *node, name string, v reflect.Value) {
	unmarshaler, special := v.Addr().Interface().(encoding.TextUnmarshaler)
	want := wanted(v.Type())
	if special {
		want = "a value"
	}
	text, late, ok := d.text(n, name, want)
	if !ok {
		return
	}
	if v.Kind() == reflect.String && !special {
		v.SetString(text)
		return
	}
	var err error
	switch {
	case late:
		err = fmt.Errorf("the target's variables are texts, and %s is expected here", want)
	case special:
		err = unmarshaler.UnmarshalText([]byte(text))
	case v.Type() == durationType:
		err = setDuration(v, text)
	case n.quoted && text == n.text:
		err = fmt.Errorf("expects %s, found the text %s: remove the quotes", want, quote(text))
	default:
		err = setNumber(v, text, want)
	}
	if err != nil {
		d.problem(n, "%s: %v", name, err)
	}
}

func setDuration(v reflect.Value, text string) error {
	value, err := parseDuration(text)
	v.SetInt(int64(value))
	return err
}

// maxDuration bounds every duration of the language, so that sums of a file's durations stay far from the end of time.Duration.
const maxDuration = 1000 * time.Hour

// parseDuration reads 500ms, 1.5s, 1h30m. A negative duration, one beyond maxDuration and a bare number are errors.
func parseDuration(text string) (time.Duration, error) {
	if anyValue.MatchString(text) {
		return 0, fmt.Errorf("%s has no unit: write %sms, %ss or %sm", clip(text), clip(text), clip(text), clip(text))
	}
	value, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%s is no duration: write 500ms, 5s, 2m or 1h (units: ns, us, ms, s, m, h)", quote(text))
	}
	if value < 0 {
		return 0, fmt.Errorf("%s is negative", text)
	}
	if value > maxDuration {
		return 0, fmt.Errorf("%s is more than any duration may be (%.0fh)", text, maxDuration.Hours())
	}
	return value, nil
}

// setNumber sets whole numbers, fractions and truth values.
func setNumber(v reflect.Value, text, want string) error {
	wrong := fmt.Errorf("expects %s, found %s", want, quote(text))
	switch kind := v.Kind(); {
	case kind == reflect.Bool:
		if text != "true" && text != "false" {
			return wrong
		}
		v.SetBool(text == "true")
	case v.CanInt():
		i, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return outOfRange(err, wrong, v)
		}
		v.SetInt(i)
	case v.CanUint():
		if strings.HasPrefix(text, "-") {
			return fmt.Errorf("must not be negative, found %s", clip(text))
		}
		u, err := strconv.ParseUint(text, 10, v.Type().Bits())
		if err != nil {
			return outOfRange(err, wrong, v)
		}
		v.SetUint(u)
	case v.CanFloat():
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return wrong
		}
		v.SetFloat(f)
	default:
		return fmt.Errorf("the harness cannot read a %s here", v.Type())
	}
	return nil
}

func outOfRange(err, wrong error, v reflect.Value) error {
	if errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("the number does not fit in %d bits", v.Type().Bits())
	}
	return wrong
}

// free reads a value of any shape: map[string]any, []any, string, int64, float64, bool, nil.
func (d *decoder) free(n *node, name string) any {
	switch n.kind {
	case table:
		m := make(map[string]any, len(n.fields))
		for _, f := range n.fields {
			m[f.key.text] = d.free(f.value, name+"."+clip(f.key.text))
		}
		return m
	case list:
		l := make([]any, len(n.items))
		for i, item := range n.items {
			l[i] = d.free(item, name)
		}
		return l
	}
	if n.null() {
		return nil
	}
	text, late, ok := d.text(n, name, "a value")
	if !ok || late || n.quoted {
		return text
	}
	value, err := plainValue(text)
	if err != nil {
		d.problem(n, "%s: %v", name, err)
	}
	return value
}

// plainValue gives an unquoted scalar its type by YAML 1.2's core schema. A scalar that other readers of YAML see differently,
// or that does not fit, is an error.
func plainValue(text string) (any, error) {
	switch {
	case text == "true" || text == "True" || text == "TRUE":
		return true, nil
	case text == "false" || text == "False" || text == "FALSE":
		return false, nil
	case leadingZero.MatchString(text) && wholeNumber.MatchString(text):
		return text, fmt.Errorf("%s begins with a zero: quote it if it is a text, or remove the zero", clip(text))
	case wholeNumber.MatchString(text), otherNumber.MatchString(text):
		i, err := strconv.ParseInt(text, 0, 64)
		if err != nil {
			if u, err := strconv.ParseUint(text, 0, 64); err == nil {
				return u, nil // above the largest int64
			}
			return text, fmt.Errorf("%s does not fit in 64 bits: quote it", clip(text))
		}
		return i, nil
	case floatNumber.MatchString(text):
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return text, fmt.Errorf("%s is too large for a number: quote it", clip(text))
		}
		return f, nil
	case noJSONNumber.MatchString(text):
		return text, fmt.Errorf("%s is no finite number: quote it if it is a text", text)
	}
	return text, nil
}
