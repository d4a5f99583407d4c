package payload

import (
	"reflect"
	"strings"
	"testing"
)

// Whole numbers are exact, or an error that quotes them as they are written.
func TestParseJSON(t *testing.T) {
	for text, want := range map[string]any{
		`{"a":[9007199254740993,18446744073709551615,-1.5,"x",null,true]}`: map[string]any{"a": []any{int64(9007199254740993), uint64(18446744073709551615), -1.5, "x", nil, true}},
		`"18446744073709551616"`: "18446744073709551616",
		` 1e3 `:                  1e3,
	} {
		if got, err := ParseJSON(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		`{"a":18446744073709551616}`: "18446744073709551616 does not fit in 64 bits: quote it",
		`[-9223372036854775809]`:     "-9223372036854775809 does not fit",
		`1e999`:                      "1e999 is too large",
		`{} {}`:                      "more text follows",
		`{"a":`:                      "unexpected EOF",
		"\"\xff\"":                   "no UTF-8",
	} {
		if _, err := ParseJSON(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
