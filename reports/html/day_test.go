package html

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"wringer/reports"
	"wringer/reports/recordtest"
)

// day is the record of a run of 24 hours with 10 streams, 4 parts and 2 links, as it is written: its rows are coarse.
func day() *reports.Record {
	const sec, length = int64(time.Second), 24 * 60 * 60
	rec := recordtest.Links()
	run := rec.Run
	sample := run.Streams["orders"]
	run.DurationNS, run.PlannedNS = length*sec, length*sec
	scale := func(ns *int64) { *ns = *ns / 40 * length }
	for i := range run.Windows {
		scale(&run.Windows[i].StartNS)
		scale(&run.Windows[i].EndNS)
	}
	for i := range run.Faults {
		scale(&run.Faults[i].StartNS)
		scale(&run.Faults[i].EndNS)
	}
	run.Streams = make(map[string]*reports.Stream)
	for n := range 10 {
		s := *sample
		s.Seconds = make([]reports.Second, 0, length)
		for i := range length {
			row := sample.Seconds[i*40/length]
			row.StartNS = int64(i) * sec
			if row.P99NS != nil {
				p99 := *row.P99NS + int64((i*7919+n*104729)%5_000_000)
				row.P99NS = &p99
			}
			s.Seconds = append(s.Seconds, row)
		}
		s.Gauges = map[string][]reports.Sample{"connections": readings(length, n)}
		run.Streams[fmt.Sprintf("stream-%d", n)] = &s
	}
	run.Parts = make(map[string]*reports.Part)
	for n := range 4 {
		run.Parts[fmt.Sprintf("part-%d", n)] = &reports.Part{Gauges: map[string][]reports.Sample{"cpu_cores": readings(length, n), "memory_bytes": readings(length, n+5)}}
	}
	for _, l := range run.Links {
		l.Seconds = l.Seconds[:0]
		for i := range length {
			l.Seconds = append(l.Seconds, reports.LinkSecond{StartNS: int64(i) * sec, Requests: int64(300 + i*31%50), Answered: 290})
		}
	}
	run.Coarsen()
	return rec
}

func readings(length, salt int) []reports.Sample {
	all := make([]reports.Sample, 0, length)
	for i := range length {
		all = append(all, reports.Sample{AtNS: int64(i+1) * int64(time.Second), Value: float64((i*31+salt*17)%97) / 10})
	}
	return all
}

// BenchmarkDay renders the record of a day with 10 streams. It makes the record before it times the rendering alone.
func BenchmarkDay(b *testing.B) {
	rec := day()
	var page bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		page.Reset()
		if err := Render(&page, rec); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(page.Len())/1e6, "MB-page")
}

// mostBytesOfDay is the largest page of a day's record.
const mostBytesOfDay = 3_000_000

func TestTheRecordOfADayMakesASmallPage(t *testing.T) {
	var page bytes.Buffer
	if err := Render(&page, day()); err != nil {
		t.Fatal(err)
	}
	if page.Len() > mostBytesOfDay {
		t.Errorf("%d bytes", page.Len())
	}
}
