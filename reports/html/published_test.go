package html

import (
	"bytes"
	"strings"
	"testing"

	"wringer/reports/recordtest"
)

// A stream that only consumes is told by what it read, and by what that can show.
func TestWhatWasPublishedIsTold(t *testing.T) {
	recordtest.Valid(t, recordtest.Consuming().Run)
	var b bytes.Buffer
	if err := Render(&b, recordtest.Consuming()); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(b.String()), " ")
	for _, want := range []string{"absences of the group&#39;s members", "the group of consumers, by window", "behind by at most 12 offsets, and by at most 12 s.", "sends nothing", "Judged against the operations of orders", "<small>key k</small>", "A record that never came"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not told in\n%s", want, b.String())
		}
	}
}
