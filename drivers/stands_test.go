package drivers

import (
	"testing"
	"time"
)

func TestStands(t *testing.T) {
	const late = 2 * atOnce
	for _, c := range []struct {
		code     string
		answered bool
		took     time.Duration
		want     bool
	}{
		{CodeCheck, true, late, true}, {CodeMalformed, false, late, true}, {"http_404", true, late, true}, {"http_202", true, late, true},
		{"grpc_not_found", true, late, true}, {"kafka_invalid_record", true, late, true},
		{CodeTimeout, false, 0, false}, {CodeRefused, false, 0, false}, {CodeReset, false, 0, false}, {CodeClosed, false, 0, false},
		// The target's own answer stands, unless time made it.
		{"http_500", true, 0, true}, {"http_500", true, late, false}, {"http_500", false, 0, false}, {"http_501", true, 0, true},
		{"http_503", true, 0, false}, {"http_502", true, 0, false},
		{"http_504", true, 0, false}, {"http_408", true, 0, false}, {"http_429", true, 0, false}, {"http_425", true, 0, true},
		{"grpc_unavailable", true, 0, false}, {"grpc_unknown", true, 0, true}, {"grpc_unknown", false, 0, false}, {"grpc_internal", true, late, false},
		{"grpc_deadline_exceeded", true, 0, false}, {"grpc_resource_exhausted", true, 0, false},
		{"kafka_throttling_quota_exceeded", true, 0, false},
		{"kafka_not_leader_or_follower", true, 0, false}, {"amqp_nack", true, 0, true}, {"amqp_connection_forced", false, 0, false},
	} {
		at := Attempt{Outcome: Indeterminate, Code: c.code, Answered: c.answered, Begun: time.Second, Done: time.Second + c.took}
		if got := at.Stands(); got != c.want {
			t.Errorf("%s, answered %t, after %s: %t, want %t", c.code, c.answered, c.took, got, c.want)
		}
	}
}

// Of an operation of several steps the one that failed decides, not the time that all took.
func TestStandsByTheStepThatFailed(t *testing.T) {
	at := Attempt{Outcome: Indeterminate, Code: "http_500", Answered: true, Done: 3 * time.Second,
		Steps: &Steps{{Done: 2 * time.Second, Answered: true}, {Sent: 3*time.Second - 5*time.Millisecond, Done: 3 * time.Second, Answered: true}}}
	if !at.Stands() {
		t.Error("an answer that came at once is excused")
	}
}
