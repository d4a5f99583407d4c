package html

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"

	"wringer/reports"
)

//go:embed assets
var assets embed.FS

// The parts of every page. uPlot's files are unchanged releases.
var (
	style   = asset("assets/uplot/uPlot.min.css") + asset("assets/report.css")
	library = asset("assets/uplot/uPlot.iife.min.js")
	script  = "\"use strict\";\n{\n" + scripts("words", "bands", "charts", "timeline", "page", "tables") + "}\n"
	follows = strings.TrimSuffix(script, "}\n") + scripts("live") + "}\n" // the script of a page that follows its run
	licence = asset("assets/uplot/LICENSE")
	page    = template.Must(template.New("report.gohtml").Funcs(template.FuncMap{"symbol": symbol}).ParseFS(assets, "assets/report.gohtml"))
)

func asset(name string) string {
	data, err := assets.ReadFile(name)
	if err != nil {
		panic(err) // embedded: a missing file is a build error
	}
	return string(data)
}

// scripts joins the parts of the page's script.
func scripts(names ...string) string {
	var b strings.Builder
	for _, name := range names {
		b.WriteString(asset("assets/script/" + name + ".js"))
	}
	return b.String()
}

// Render writes the report. The same record gives the same bytes. Text that a target or a scenario put into the record stays
// text: it is escaped. The page's policy runs no script but its own, and allows no request.
func Render(w io.Writer, rec *reports.Record) error {
	var b strings.Builder
	if err := page.Execute(&b, newView(rec)); err != nil {
		return fmt.Errorf("render html: %w", err)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// policy is a page's Content-Security-Policy: its own scripts and styles, by their digests, and nothing else.
func policy(script string) string {
	return fmt.Sprintf("default-src 'none'; base-uri 'none'; form-action 'none'; script-src %s %s; style-src %s",
		digest(library), digest(script), digest(style))
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func symbol(v reports.Verdict) string {
	switch v {
	case reports.Pass, reports.Valid:
		return "✓"
	case reports.Fail:
		return "✗"
	case Running:
		return "▸"
	}
	return "?"
}
