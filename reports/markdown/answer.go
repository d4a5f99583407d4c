package markdown

import (
	"io"
	"strings"

	"wringer/reports"
	"wringer/reports/sections"
)

// Sections writes an answer that is no record, such as a comparison, in the looks of a record's summary.
func Sections(w io.Writer, verdict reports.Verdict, title, why string, parts []sections.Section) error {
	p := &page{}
	p.line("## %s %s\n", symbol(verdict), text(title))
	p.line("**%s**\n", text(why))
	for _, s := range parts {
		p.part(s)
	}
	_, err := io.WriteString(w, strings.TrimSuffix(p.String(), "\n"))
	return err
}
