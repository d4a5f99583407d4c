package timeline

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"wringer/reports"
	"wringer/reports/recordtest"
)

func rendered(t *testing.T, rec *reports.Record) string {
	t.Helper()
	var first, second bytes.Buffer
	for _, b := range []*bytes.Buffer{&first, &second} {
		if err := Render(b, rec); err != nil {
			t.Fatal(err)
		}
	}
	if first.String() != second.String() {
		t.Error("two pictures of one record differ")
	}
	for d := xml.NewDecoder(bytes.NewReader(first.Bytes())); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, not := range []string{"NaN", "Inf", "<script", "href", "\x1b"} {
		if strings.Contains(first.String(), not) {
			t.Errorf("the picture holds %q", not)
		}
	}
	return first.String()
}

// The picture has a row for each stream, a band for each fault that was injected, and moments along its foot.
func TestTimeline(t *testing.T) {
	text := rendered(t, recordtest.Pass())
	for _, want := range []string{">orders<", ">payments<", ">stock<", ">slow-broker<", ">lost-answers<", ">10 s<", "Timeline of checkout: 3 streams over 40 s; slow-broker 10 s – 18 s"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if len(text) > 20<<10 {
		t.Errorf("%d bytes", len(text))
	}
	for name, rec := range recordtest.Samples() {
		if rendered(t, rec) == "" {
			t.Errorf("%s: nothing", name)
		}
	}
}

// Hostile names stay text. A record with nothing in it, and one of a day, have a picture as well.
func TestOddRecords(t *testing.T) {
	rendered(t, recordtest.Hostile())
	rendered(t, &reports.Record{Run: &reports.Run{}})
	day := &reports.Run{Name: "day", DurationNS: 86_400e9, Streams: map[string]*reports.Stream{"a": {}}}
	for i := range int64(86_400) {
		row := reports.Second{StartNS: i * 1e9, P99NS: new(int64(1e6 + i))}
		row.Offered, row.Acked = 100, 90
		day.Streams["a"].Seconds = append(day.Streams["a"].Seconds, row)
	}
	if text := rendered(t, &reports.Record{Run: day}); len(text) > 20<<10 || !strings.Contains(text, ">11 h 7 min<") && !strings.Contains(text, " h") {
		t.Errorf("%d bytes", len(text))
	}
	day.DurationNS = -1
	rendered(t, &reports.Record{Run: day})
}
