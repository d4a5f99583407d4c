package html

import (
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strings"

	"wringer/reports"
)

// Running is the verdict of a record whose run goes on.
const Running reports.Verdict = "running"

// Edition is the report of a run that goes on, as it is at one moment. Its page follows the run: its script listens to the path events
// beside it, which sends the pieces that changed. Its methods are safe for concurrent use.
type Edition struct {
	Title  string
	Pieces []Piece         // in the order of the page
	Data   json.RawMessage // of the charts
	view   *view
}

// Piece is a part of the page that changes as a whole.
type Piece struct {
	ID   string // banner, nav, or that of a section
	HTML string
}

// NewEdition renders the pieces of a record's report. The same record gives the same bytes. Text of the record stays text, as in Render.
func NewEdition(rec *reports.Record) (*Edition, error) {
	e := &Edition{Title: fmt.Sprintf("%s: %s – wringer", rec.Run.Verdict, rec.Run.Name), view: newView(rec)}
	e.view.Script, e.view.Policy = template.JS(follows), policy(follows)+"; connect-src 'self'"
	var err error
	if e.Data, err = json.Marshal(e.view.Chart); err != nil {
		return nil, fmt.Errorf("render html: %w", err)
	}
	for _, name := range []string{"banner", "nav", "sections"} {
		var b strings.Builder
		if err := page.ExecuteTemplate(&b, name, e.view); err != nil {
			return nil, fmt.Errorf("render html: %w", err)
		}
		if name == "sections" {
			e.Pieces = append(e.Pieces, cut(b.String())...)
		} else {
			e.Pieces = append(e.Pieces, Piece{name, b.String()})
		}
	}
	return e, nil
}

// Page writes the whole page. The page asks for what changed since the edition of that name.
func (e *Edition) Page(w io.Writer, name string) error {
	v := *e.view
	v.Edition = name
	if err := page.Execute(w, &v); err != nil {
		return fmt.Errorf("render html: %w", err)
	}
	return nil
}

// cut divides the page's sections. No text of a record looks like the begin of a section: its < is escaped.
func cut(sections string) (all []Piece) {
	const begin = `<section id="`
	for _, rest := range strings.Split(sections, begin)[1:] {
		id, _, _ := strings.Cut(rest, `"`)
		all = append(all, Piece{id, begin + strings.TrimSpace(rest)})
	}
	return all
}
