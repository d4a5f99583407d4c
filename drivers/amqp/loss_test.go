package amqp

import (
	"strings"
	"testing"
	"time"
)

// A rule of the queue that may have dropped a message is named; a queue that refuses what it has no room for drops nothing.
func TestLossNote(t *testing.T) {
	for _, test := range []struct {
		arguments  map[string]any
		expiration time.Duration
		want       []string // nil: no note
	}{
		{nil, 0, nil},
		{map[string]any{"x-max-length": 100}, 0, []string{"; the queue q holds at most 100 messages (x-max-length)"}},
		{map[string]any{"x-max-length": 100, "x-overflow": "drop-head"}, 0, []string{"x-max-length"}},
		{map[string]any{"x-max-length": 100, "x-overflow": "reject-publish"}, 0, nil},
		{map[string]any{"x-max-length-bytes": 9, "x-overflow": "reject-publish-dlx", "x-message-ttl": 5}, 0, []string{"keeps a message for 5 ms"}},
		{map[string]any{"x-delivery-limit": 3}, time.Second, []string{"3 deliveries", "after 1s (expiration)"}},
	} {
		c := Config{URL: "amqp://127.0.0.1/", Queue: "q", Expiration: test.expiration, Declare: &Topology{Queues: map[string]Queue{"q": {Arguments: test.arguments}}}}
		note := c.Describe().LossNote
		if (note == "") != (test.want == nil) || note != "" && !strings.HasPrefix(note, "; ") {
			t.Errorf("%v: %q", test.arguments, note)
		}
		for _, text := range test.want {
			if !strings.Contains(note, text) {
				t.Errorf("%v: %q lacks %q", test.arguments, note, text)
			}
		}
	}
	other := Config{URL: "amqp://127.0.0.1/", Queue: "q", Expiration: time.Second}
	if note := other.Describe().LossNote; note != "" {
		t.Errorf("a queue that is not read back: %q", note)
	}
}
