package index

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"wringer/reports"
	"wringer/reports/html"
	"wringer/reports/sections"
)

//go:embed assets
var assets embed.FS

var body = template.Must(template.ParseFS(assets, "assets/index.gohtml"))

func asset(name string) string {
	data, err := assets.ReadFile("assets/" + name)
	if err != nil {
		panic(err) // embedded: a missing file is a build error
	}
	return string(data)
}

var style = asset("index.css")

// Render writes the page. left is the number of older records that are not among the entries. The same entries give the same bytes.
func Render(w io.Writer, title string, entries []Entry, left int) error {
	p := html.Page{Body: body, Data: newView(title, entries, left), Title: title + ": runs – wringer", Style: style}
	return p.Render(w)
}

// view is the data of the template.
type view struct {
	Title, Summary string
	Tone           reports.Verdict // of the newest run of the worst scenario
	Scenarios      []scenario
	Broken         []broken
}

// scenario is one scenario with its runs.
type scenario struct {
	ID, Name string
	Tone     reports.Verdict // of its newest run
	Counts   string
	Gates    []gate
	Runs     []run
}

// run is a line of the runs, the newest first.
type run struct {
	Started, Verdict, Why, Version, Dir, Link, Took string
	Tone                                            reports.Verdict
}

type broken struct{ Dir, Why string }

func newView(title string, entries []Entry, left int) *view {
	v := &view{Title: clean(title), Tone: reports.Pass}
	byName := make(map[string][]Entry)
	var names []string
	for _, e := range entries {
		if e.Broken != "" {
			v.Broken = append(v.Broken, broken{clean(e.Dir), clean(e.Broken)})
			continue
		}
		if byName[e.Run.Name] == nil {
			names = append(names, e.Run.Name)
		}
		byName[e.Run.Name] = append(byName[e.Run.Name], e)
	}
	slices.Sort(names)
	for i, name := range names {
		s := newScenario(fmt.Sprintf("scenario-%d", i), name, byName[name])
		v.Scenarios = append(v.Scenarios, s)
		v.Tone = worse(v.Tone, s.Tone)
	}
	if len(names) == 0 {
		v.Tone = reports.Inconclusive
	}
	v.Summary = fmt.Sprintf("%s of %s", reports.Counted(int64(len(entries)-len(v.Broken)), "run"), reports.Counted(int64(len(names)), "scenario"))
	if len(v.Broken) > 0 {
		v.Summary += fmt.Sprintf("; %s cannot be read", reports.Counted(int64(len(v.Broken)), "record"))
	}
	if left > 0 {
		v.Summary += fmt.Sprintf("; %s are not shown", reports.Counted(int64(left), "older record"))
	}
	return v
}

// worse is the worse of two verdicts.
func worse(a, b reports.Verdict) reports.Verdict {
	rank := map[reports.Verdict]int{reports.Inconclusive: 1, reports.Fail: 2}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

// tone is one of the three verdicts, whatever a record says.
func tone(v reports.Verdict) reports.Verdict {
	if v == reports.Pass || v == reports.Fail {
		return v
	}
	return reports.Inconclusive
}

func newScenario(id, name string, entries []Entry) scenario {
	s := scenario{ID: id, Name: clean(name), Tone: tone(entries[len(entries)-1].Run.Verdict), Gates: newGates(entries)}
	counts := make(map[reports.Verdict]int)
	for i := range entries {
		e := &entries[len(entries)-1-i]
		counts[tone(e.Run.Verdict)]++
		r := run{
			Started: e.Run.Started.UTC().Format(time.DateTime), Verdict: string(tone(e.Run.Verdict)), Version: clean(e.Run.Version), Dir: clean(e.Dir), Tone: tone(e.Run.Verdict),
			Took: reports.Duration(float64(e.Run.DurationNS)),
		}
		if len(e.Run.Why) > 0 {
			r.Why = clean(e.Run.Why[0])
		}
		if e.Report {
			r.Link = link(e.Dir)
		}
		s.Runs = append(s.Runs, r)
	}
	s.Counts = fmt.Sprintf("%d pass, %d fail, %d inconclusive", counts[reports.Pass], counts[reports.Fail], counts[reports.Inconclusive])
	return s
}

// link is the address of a record's report from the index. No folder's name makes it lead elsewhere.
func link(dir string) string {
	parts := strings.Split(dir, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return "./" + strings.Join(parts, "/") + "/" + ReportFile
}

// clean is a text on one line, at most as long as a line can hold.
func clean(text string) string {
	const most = 400
	text = sections.OneLine(text)
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}
