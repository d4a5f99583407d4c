// Package sectionstest checks that a report shows the sections of a record.
package sectionstest

import (
	"strings"
	"testing"

	"wringer/reports"
	"wringer/reports/recordtest"
	"wringer/reports/sections"
)

// Records are the sample records, including those of chains, of streaming calls, of probes and of consuming streams.
func Records() map[string]*reports.Record {
	all := recordtest.Samples()
	all["chain"], all["streaming"], all["probed"], all["consuming"] = recordtest.Chain(), recordtest.Streaming(), recordtest.Probed(), recordtest.Consuming()
	all["parts"], all["links"] = recordtest.Parts(), recordtest.Links()
	all["observed"] = recordtest.Observed()
	return all
}

// Of returns every section of a record.
func Of(rec *reports.Record) []sections.Section {
	run := rec.Run
	all := []sections.Section{sections.Gates(run), sections.Validity(run), sections.Faults(run), sections.Windows(run), sections.Parts(run), sections.Links(run), sections.ObservedByGates(run)}
	for _, name := range run.StreamNames() {
		all = append(all, sections.For(run, name)...)
	}
	return append(all, sections.Integrity(run), sections.Findings(run), sections.Startup(run), sections.About(run))
}

// Shown fails the test unless a report, as plain text, shows every section of the record: its title, its notes and its rows. A
// report with little room shows the columns up to a rank, and only the totals of rows with a higher one. It has marks in place of
// words.
func Shown(t *testing.T, rec *reports.Record, report string, most sections.Rank) {
	t.Helper()
	report = strings.Join(strings.Fields(report), " ")
	shows := func(s *sections.Section, text string) {
		t.Helper()
		if text = strings.Join(strings.Fields(text), " "); !strings.Contains(report, text) {
			t.Errorf("section %s of %q: %q is not shown", s.Name, s.Stream, text)
		}
	}
	for _, s := range Of(rec) {
		if s.Empty() {
			continue
		}
		if most == sections.Full || s.Rank > most {
			shows(&s, strings.TrimSpace(title(&s)))
		}
		for _, note := range s.Notes {
			shows(&s, note)
		}
		narrow := s.Within(most)
		for i := range narrow.Rows {
			r := &narrow.Rows[i]
			if s.Rank > most && s.ByWindow() && !r.Total {
				continue
			}
			for _, c := range r.Cells {
				if c.State == sections.Unmeasured || c.State == sections.Unknown || c.Text == reports.NoAnswer {
					continue
				}
				shows(&s, c.Text)
				for _, note := range c.Notes {
					shows(&s, note)
				}
			}
		}
	}
	for _, s := range sections.Evidence(rec) {
		shows(&s, s.Title)
		shows(&s, s.Aside)
	}
}

// title is empty where a report puts the rows' own name in place of the section's.
func title(s *sections.Section) string {
	switch s.Name {
	case sections.NameDetails, sections.NameGauges, sections.NameAbsences, sections.NameBlocks, sections.NameSlowest:
		return ""
	}
	return s.Title
}
