package html

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wringer/reports"
	"wringer/reports/recordtest"
)

// later are fields that records of older versions lack, wherever they stand.
var later = []string{
	"heat", "spread", "histogram", "gauges", "parts", "links", "machine", "startup", "settings", "checks", "base", "stream", "per_stream", "places", "blocks", "strikes",
	"effect_ns", "effect_p50_ns", "effect_p99_ns", "failures", "details", "witness", "replays", "saga", "group", "integrity", "amplification", "rate", "overtaken",
	"to_target", "from_target", "recovery_goal", "busy", "limited", "service_ns", "findings",
}

// strip takes fields out of a decoded document.
func strip(v any, fields []string) {
	switch v := v.(type) {
	case map[string]any:
		for _, field := range fields {
			delete(v, field)
		}
		for _, one := range v {
			strip(one, fields)
		}
	case []any:
		for _, one := range v {
			strip(one, fields)
		}
	}
}

// A record without any of the later fields renders, and so does one without its scenario and its evidence.
func TestARecordOfAnOlderVersionRenders(t *testing.T) {
	for name, rec := range map[string]*reports.Record{"fail": recordtest.Fail(), "links": recordtest.Links(), "consuming": recordtest.Consuming(), "chain": recordtest.Chain(), "phased": recordtest.Phased()} {
		for i := -1; i < len(later); i++ {
			if i >= 0 && name != "links" && name != "consuming" {
				break
			}
			fields := later
			if i >= 0 {
				fields = later[i : i+1]
			}
			dir := t.TempDir()
			data, err := reports.Encode(rec.Run)
			if err != nil {
				t.Fatal(err)
			}
			var doc map[string]any
			if err := json.Unmarshal(data, &doc); err != nil {
				t.Fatal(err)
			}
			strip(doc, fields)
			if data, err = json.Marshal(doc); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, reports.RunFile), data, 0o644); err != nil {
				t.Fatal(err)
			}
			old, err := reports.Load(dir)
			if err != nil {
				t.Fatalf("%s without %v: %v", name, fields, err)
			}
			var page bytes.Buffer
			if err := Render(&page, old); err != nil {
				t.Errorf("%s without %v: %v", name, fields, err)
			}
			if !strings.Contains(page.String(), "</html>") {
				t.Errorf("%s without %v: the page is not whole", name, fields)
			}
		}
	}
}
