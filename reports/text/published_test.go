package text

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
	if err := Render(&b, recordtest.Consuming(), Options{}); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(b.String()), " ")
	for _, want := range []string{"lost to the group 7", "first message p50 300 ms", "behind by at most 12 offsets, and by at most 12 s", "sends nothing", "Judged against the operations", "dup", "A record that never came"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not told in\n%s", want, b.String())
		}
	}
}
