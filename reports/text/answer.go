package text

import (
	"io"
	"strings"

	"wringer/reports"
	"wringer/reports/sections"
)

// Head is what stands above the sections of an answer that is no record: of a comparison.
type Head struct {
	Verdict     reports.Verdict
	Title, Text string
}

// Sections writes an answer in the looks of a record's summary.
func Sections(w io.Writer, head Head, parts []sections.Section, opt Options) error {
	s := newSheet(opt)
	s.mark(head.Verdict, strings.ToUpper(head.Title))
	s.wrap("  ", head.Text)
	for _, p := range parts {
		s.part(p)
	}
	_, err := io.WriteString(w, s.String())
	return err
}
