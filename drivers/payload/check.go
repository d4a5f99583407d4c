package payload

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"wringer/drivers"
)

// ParseJSON reads a value of JSON as a scenario has one. Whole numbers stay exact: a float64 would lose digits of an int64.
func ParseJSON(text string) (any, error) {
	if !utf8.ValidString(text) { // the decoder would put other characters in place of such bytes
		return nil, errors.New("is no UTF-8, which JSON is: write bytes in base64")
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("more text follows the value; keep one value")
	}
	return exact(v)
}

// exact replaces the texts of numbers by the numbers.
func exact(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case map[string]any:
		for key := range v {
			if v[key], err = exact(v[key]); err != nil {
				return nil, err
			}
		}
	case []any:
		for i := range v {
			if v[i], err = exact(v[i]); err != nil {
				return nil, err
			}
		}
	case json.Number:
		return number(v.String())
	}
	return v, nil
}

// number reads a number of JSON. One that would be rounded silently is an error.
func number(text string) (any, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return n, nil
	}
	if !strings.ContainsAny(text, ".eE") {
		return nil, fmt.Errorf("%s does not fit in 64 bits: quote it", text)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, fmt.Errorf("%s is too large for a number: quote it", text)
	}
	return f, nil
}

// CheckTemplates compiles every string of a value in a dialect.
func CheckTemplates(v any, in drivers.Dialect) error {
	var problems []error
	switch v := v.(type) {
	case string:
		_, err := in.Compile(v)
		return err
	case []any:
		for _, e := range v {
			problems = append(problems, CheckTemplates(e, in))
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			problems = append(problems, CheckTemplates(v[key], in))
		}
	}
	return errors.Join(problems...)
}
