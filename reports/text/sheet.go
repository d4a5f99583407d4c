package text

import (
	"cmp"
	"strings"
	"unicode/utf8"

	"wringer/reports"
	"wringer/reports/sections"
)

// sheet is text of a limited width. All text of a record passes sections.OneLine before the sheet gets it.
type sheet struct {
	strings.Builder
	width int
	color bool
}

func newSheet(opt Options) *sheet {
	return &sheet{width: max(cmp.Or(opt.Width, defaultWidth), smallestWidth), color: opt.Color}
}

// The colours, by their ANSI codes.
const (
	bold   = "1"
	faint  = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (s *sheet) paint(code, text string) string {
	if !s.color || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// title begins a section. Its note breaks into lines if there is no room beside it.
func (s *sheet) title(name, note string) {
	name, note = sections.OneLine(name), sections.OneLine(note)
	s.WriteString("\n")
	if runes(name)+2+runes(note) > s.width {
		s.WriteString(s.paint(bold, clip(name, s.width)) + "\n")
		s.wrap("  ", note)
		return
	}
	s.WriteString(s.paint(bold, name))
	if note != "" {
		s.WriteString(s.paint(faint, "  "+note))
	}
	s.WriteString("\n")
}

// mark writes a line behind the symbol of a verdict.
func (s *sheet) mark(v reports.Verdict, text string) {
	symbol, code := "?", yellow
	switch v {
	case reports.Pass, reports.Valid:
		symbol, code = "✓", green
	case reports.Fail:
		symbol, code = "✗", red
	}
	lines := split(sections.OneLine(text), s.width-2)
	s.WriteString(s.paint(code, symbol) + " " + strings.Join(lines, "\n  ") + "\n")
}

// spread puts a value at the right end of a line that already has that many columns. Without room, the value stands two spaces
// behind the text.
func (s *sheet) spread(text, value string, indent int) string {
	gap := s.width - indent - runes(text) - runes(value)
	return text + strings.Repeat(" ", max(gap, 2)) + value
}

// wrap writes text in lines of the sheet's width behind an indent.
func (s *sheet) wrap(indent, text string) {
	for _, line := range split(sections.OneLine(text), s.width-len(indent)) {
		s.WriteString(indent + line + "\n")
	}
}

// split breaks text between words into lines of at most that many columns. A text that fits keeps its spaces.
func split(text string, width int) []string {
	if runes(text) <= width {
		return []string{text}
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		for runes(word) > width {
			if line != "" {
				lines, line = append(lines, line), ""
			}
			head := string([]rune(word)[:width])
			lines, word = append(lines, head), word[len(head):]
		}
		switch {
		case line == "":
			line = word
		case runes(line)+1+runes(word) <= width:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}

// clip shortens text to that many columns.
func clip(text string, width int) string {
	if runes(text) <= width {
		return text
	}
	return string([]rune(text)[:width-1]) + "…"
}

func runes(s string) int { return utf8.RuneCountInString(s) }
