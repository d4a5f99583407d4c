package html

import (
	"fmt"
	"html/template"
	"io"
	"strings"
)

// Page is a page beside the report, with the report's looks and its chart library: one file that works offline.
type Page struct {
	// Body is a template of the page's body; it is executed with Data. Text in Data stays text.
	Body *template.Template
	Data any
	// Title is that of the window. Style and Script are the page's own; they come after the report's.
	Title, Style, Script string
}

var frame = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{{.Policy}}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{.Title}}</title>
<style>{{.Style}}</style>
</head>
<body>
{{.Body}}
<footer><small>Charts: uPlot, MIT licence.</small><pre hidden>{{.Licence}}</pre></footer>
<script>{{.Library}}</script>
<script>{{.Script}}</script>
</body>
</html>
`))

// Render writes the page. The same data gives the same bytes. Its policy runs no script but its own, and allows no request.
func (p *Page) Render(w io.Writer) error {
	var body strings.Builder
	if err := p.Body.Execute(&body, p.Data); err != nil {
		return fmt.Errorf("render html: %w", err)
	}
	looks := style + p.Style
	return frame.Execute(w, map[string]any{
		"Title": p.Title, "Style": template.CSS(looks), "Body": template.HTML(body.String()), "Library": template.JS(library), "Script": template.JS(p.Script), "Licence": licence,
		"Policy": fmt.Sprintf("default-src 'none'; base-uri 'none'; form-action 'none'; script-src %s %s; style-src %s", digest(library), digest(p.Script), digest(looks)),
	})
}
