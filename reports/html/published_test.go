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
	for _, want := range []string{"what struck the members", "the group of consumers, by window", "lag of the group: at most 12 offsets, and 12 s in time.", "sends nothing", "Judged against the operations of orders", "<small>key k</small>", "A record that never came"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not told in\n%s", want, b.String())
		}
	}
}
