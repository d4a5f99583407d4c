package draft

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

const idempotencyKey = "idempotency-key"

// replay has some operations sent again, and judges the answers.
func (s *Stream) replay() {
	s.Body = append(s.Body, item("replay", "50%"))
	s.Notes = append(s.Notes, "replay sends some acknowledged requests again with the same Idempotency-Key: they must change nothing.")
	s.Gates = append(slices.Clone(s.Gates), "replay_violations == 0")
}

// GiveKeys gives each operation of a rest stream an Idempotency-Key of its own where the example has one, and has some sent again. With
// the example's key all operations would be one: the service would do the work once, and repeat its answer.
func (s *Stream) GiveKeys() {
	rest, _ := s.Body[0].Value.(yaml.MapSlice)
	headers := valueOf(rest, "headers")
	for i := range headers {
		name, _ := headers[i].Key.(string)
		value, _ := headers[i].Value.(string)
		if !strings.EqualFold(name, idempotencyKey) || strings.Contains(value, "{{") {
			continue
		}
		headers[i].Value = "{{id}}"
		if changes(rest) {
			s.replay()
		}
	}
}

// changes says whether the request is of a method that changes something.
func changes(rest yaml.MapSlice) bool {
	for _, entry := range rest {
		if request, ok := entry.Value.(string); ok && entry.Key == "request" {
			method, _, _ := strings.Cut(request, " ")
			return slices.Contains([]string{"POST", "PUT", "PATCH"}, method)
		}
	}
	return false
}

// Credentials name the credentials that a rest stream holds as they are.
func Credentials(rest yaml.MapSlice) (found []string) {
	for _, h := range valueOf(rest, "headers") {
		name, _ := h.Key.(string)
		if slices.Contains(secrets, strings.ToLower(name)) {
			found = append(found, "the value of "+name)
		}
	}
	if len(valueOf(rest, "auth")) > 0 {
		found = append(found, "the password of auth")
	}
	return found
}

// valueOf is the table at a key; nil: there is none.
func valueOf(of yaml.MapSlice, key string) yaml.MapSlice {
	for _, entry := range of {
		if entry.Key == key {
			table, _ := entry.Value.(yaml.MapSlice)
			return table
		}
	}
	return nil
}
