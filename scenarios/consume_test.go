package scenarios

import (
	"strings"
	"testing"
)

// A group is compared with the whole topic by itself. The expected content of the topic comes only from another stream.
func TestExpectationsStandForGates(t *testing.T) {
	for _, c := range []struct {
		workers  int
		of       string
		expected string
		want     string
	}{
		{0, "orders", ExactlyOnce, "lost log_duplicates"},
		{0, "orders", AtLeastOnce, "lost"},
		{0, "", AtMostOnce, "log_duplicates"},
		{3, "", ExactlyOnce, "group_lost log_duplicates redelivered"},
		{3, "orders", ExactlyOnce, "lost group_lost log_duplicates redelivered"},
		{3, "orders", AtLeastOnce, "lost group_lost"},
		{3, "", AtMostOnce, "log_duplicates redelivered"},
		{3, "orders", OrderedPerKey, "order_violations"},
	} {
		consume := &Consume{Source: &logConsume{Workers: c.workers}, Of: c.of}
		if got := strings.Join(consume.expected(c.expected), " "); got != c.want {
			t.Errorf("%s, %d workers, of %q: %s, want %s", c.expected, c.workers, c.of, got, c.want)
		}
	}
}
