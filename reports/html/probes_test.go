package html

import (
	"bytes"
	"strings"
	"testing"

	"wringer/reports/recordtest"
)

// What arrived and what became of replays is told where it was measured, and nowhere else.
func TestProbesAreTold(t *testing.T) {
	render := func(rec string) string {
		record := recordtest.Fail()
		if rec == "probed" {
			record = recordtest.Probed()
		}
		var b bytes.Buffer
		if err := Render(&b, record); err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.Fields(b.String()), " ")
	}
	for _, want := range []string{"what arrived at the target, by window", "hidden arrivals", "operations sent again with their key", "changed: 6 of 24", "replay violation in orders</b> <small>6 counted, 1 kept"} {
		if !strings.Contains(render("probed"), want) {
			t.Errorf("%q is not told", want)
		}
		if strings.Contains(render("plain"), want) {
			t.Errorf("%q is told where it was not measured", want)
		}
	}
}
