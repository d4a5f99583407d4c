package scenarios

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"wringer/drivers"
)

var statusCode = regexp.MustCompile(`^[1-5][0-9][0-9]$`)

// code normalizes an outcome's code to the form in which drivers report it: 503 gets the driver's prefix of a status, and all
// letters are small.
func (r *reader) code(n *node, s *Stream, name, text string) string {
	code, err := r.lang.code(s, text)
	if err != nil && !r.reportedAt(n) {
		r.problem(n, "%s: %v", name, err)
	}
	return code
}

// code is a code of a stream as its driver reports it.
func (l *Language) code(s *Stream, text string) (string, error) {
	code := strings.ToLower(text)
	for _, prefix := range l.statusPrefixes(s) {
		if status := strings.TrimPrefix(code, prefix); statusCode.MatchString(status) {
			return prefix + status, nil
		}
	}
	own := s.Describe().Codes
	protocol, _, prefixed := strings.Cut(code, "_")
	_, known := l.Drivers[protocol]
	switch {
	case slices.Contains(drivers.CommonCodes(), code), slices.Contains(own, code), own == nil && prefixed && known:
		return code, nil
	case own == nil:
		return code, fmt.Errorf("unknown code %s; %s, a status such as 503, or a protocol's own such as grpc_unavailable", quote(text), choices(code, drivers.CommonCodes()))
	}
	status := ""
	if len(l.statusPrefixes(s)) > 0 {
		status = ", or a status such as 503"
	}
	return code, fmt.Errorf("%s ends with no code %s; %s%s", s.Name, quote(text), choices(code, slices.Concat(drivers.CommonCodes(), own)), status)
}
