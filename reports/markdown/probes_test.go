package markdown

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
	for _, want := range []string{"hidden arrivals", "replays: ", "violations 6"} {
		if !strings.Contains(render("probed"), want) {
			t.Errorf("%q is not told", want)
		}
		if strings.Contains(render("plain"), want) {
			t.Errorf("%q is told where it was not measured", want)
		}
	}
}
