package effect

import (
	"regexp"
	"strconv"
	"strings"
)

// number is a decimal number: as JSON writes one, or without its 0 before the point. A leading zero or a plus sign is a text's: 007
// is not 7.
var number = regexp.MustCompile(`^(-?)(0|[1-9][0-9]*|)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,9}))?$`)

// decimal is the value of a number: DIGITS times ten to the EXPONENT. Digits neither begin nor end with a zero; 0 has none.
type decimal struct {
	negative bool
	digits   string
	exponent int
}

// parseDecimal reads a number exactly, however many digits it has.
func parseDecimal(text []byte) (d decimal, ok bool) {
	found := number.FindSubmatch(text)
	if found == nil || len(found[2])+len(found[3]) == 0 {
		return d, false
	}
	if len(found[4]) > 0 {
		d.exponent, _ = strconv.Atoi(string(found[4])) // nine digits always fit
	}
	all := string(found[2]) + string(found[3])
	d.digits = strings.TrimRight(all, "0")
	d.exponent += len(all) - len(d.digits) - len(found[3])
	d.digits = strings.TrimLeft(d.digits, "0")
	if d.negative = len(found[1]) > 0; d.digits == "" {
		return decimal{}, true
	}
	return d, true
}

// same compares texts, and numbers by their value: 12.50 is 12.5.
func same(a, b []byte) bool {
	if string(a) == string(b) {
		return true
	}
	x, ok := parseDecimal(a)
	if !ok {
		return false
	}
	y, ok := parseDecimal(b)
	return ok && x == y
}
