package envelope

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"

	"wringer/reports"
	"wringer/scenarios/capacity/search"
)

//go:embed page.css
var style string

//go:embed page.gohtml
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// Render writes the answer as a page: the map with the trials and both bounds, and the same as tables. It is one file that works
// offline, and runs no script. The same answer gives the same bytes.
func Render(w io.Writer, a *Answer) error {
	var b strings.Builder
	if err := page.Execute(&b, newView(a)); err != nil {
		return fmt.Errorf("render the map: %w", err)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// view is what the page shows.
type view struct {
	*Answer
	Title  string
	Style  template.CSS
	Policy string
	Tone   string // of the answer, a class of the page
	Chart  chart
	Rows   []viewRow
	Points []viewPoint
}

type viewRow struct {
	Load, Tolerates, Fails, Trials, Limit, Answer string
}

type viewPoint struct {
	N                              int
	Load, Value, Verdict, Why, Dir string
}

func newView(a *Answer) *view {
	sum := sha256.Sum256([]byte(style))
	v := &view{
		Answer: a, Title: a.title(), Style: template.CSS(style), Chart: newChart(a), Tone: "pass",
		Policy: "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'",
	}
	if a.Exit != reports.ExitPass {
		v.Tone = "inconclusive"
	}
	for _, r := range a.Frontier {
		row := viewRow{Load: a.load(r.Load), Tolerates: a.text(r.Lower), Fails: a.text(r.Upper), Answer: r.Answer,
			Trials: fmt.Sprintf("%d passed, %d failed", r.Passed, r.Failed)}
		if r.UpperLoad != nil && *r.UpperLoad != r.Load {
			row.Fails += " (at " + a.load(*r.UpperLoad) + ")"
		}
		if r.Limit != nil {
			row.Limit = r.Limit.Gate
		}
		v.Rows = append(v.Rows, row)
	}
	for i, t := range a.Trials {
		v.Points = append(v.Points, viewPoint{i + 1, a.load(t.Load), forPeople(t.Value), t.Verdict, t.Why, t.Record})
	}
	return v
}

// load writes a load for people.
func (a *Answer) load(at float64) string {
	if a.LoadUnit == inCount {
		return fmt.Sprintf("%.0f users", at)
	}
	if at == math.Trunc(at) {
		return reports.Count(int64(at)) + "/s"
	}
	return reports.Rate(at)
}

// text writes an intensity for people; a dash: there is none.
func (a *Answer) text(at *float64) string {
	if at == nil {
		return "–"
	}
	return forPeople(writeQuantity(*at, a.Unit))
}

// The drawing's measures, in its own units.
const (
	wide, high               = 960.0, 460.0
	left, right, top, bottom = 110.0, 24.0, 20.0, 52.0
)

// chart is the map: loads to the right, intensities upwards, the worst on top.
type chart struct {
	Wide, High   float64
	Grid         []tick // of the intensities
	Loads        []tick
	Marks        []mark
	Passes       string // the path of the area that passes
	Fails        string // of the area that fails
	Lower, Upper string // the paths of the bounds
	Left, Right  float64
	Top, Bottom  float64
}

type tick struct {
	At   float64
	Text string
}

// mark is a trial.
type mark struct {
	X, Y        float64
	Kind, Title string
}

// newChart lays the map out.
func newChart(a *Answer) chart {
	c := chart{Wide: wide, High: high, Left: left, Right: wide - right, Top: top, Bottom: high - bottom}
	y := func(at float64) float64 {
		share := math.Log(at/a.From) / math.Log(a.Most/a.From) // 0 is the gentlest, whichever way the numbers run
		return c.Bottom - share*(c.Bottom-c.Top)
	}
	x := c.columns(a)
	for _, at := range ticksOf(a) {
		c.Grid = append(c.Grid, tick{y(at), forPeople(writeQuantity(at, a.Unit))})
	}
	for _, r := range a.Frontier {
		c.Loads = append(c.Loads, tick{x[r.Load], a.load(r.Load)})
	}
	c.areas(a, x, y)
	seen := make(map[[2]float64]int)
	for i, t := range a.Trials {
		at := [2]float64{t.Load, t.At}
		m := mark{X: x[t.Load] + 13*float64(seen[at]), Y: y(t.At), Kind: t.Verdict}
		m.Title = fmt.Sprintf("trial %d: %s with %s: %s", i+1, a.load(t.Load), forPeople(t.Value), t.Verdict)
		if t.result() != search.Passed {
			m.Title += " (" + t.Why + ")"
		}
		seen[at]++
		c.Marks = append(c.Marks, m)
	}
	return c
}

// columns places the loads: by their size, as factors where the highest is far above the lowest.
func (c *chart) columns(a *Answer) map[float64]float64 {
	x := make(map[float64]float64)
	low, most := a.Frontier[0].Load, a.Frontier[len(a.Frontier)-1].Load
	const margin, far = 70, 8
	from, to := c.Left+margin, c.Right-margin
	for _, r := range a.Frontier {
		share := 0.5
		switch {
		case most > far*low:
			share = math.Log(r.Load/low) / math.Log(most/low)
		case most > low:
			share = (r.Load - low) / (most - low)
		}
		x[r.Load] = from + share*(to-from)
	}
	return x
}

// areas draws what passes up to the lower bounds, and what fails from the upper bounds on. Each load stands for its neighbourhood.
func (c *chart) areas(a *Answer, x map[float64]float64, y func(float64) float64) {
	var lower, upper, passes, fails strings.Builder
	for i, r := range a.Frontier {
		from, to := c.Left, c.Right
		if i > 0 {
			from = (x[a.Frontier[i-1].Load] + x[r.Load]) / 2
		}
		if i+1 < len(a.Frontier) {
			to = (x[r.Load] + x[a.Frontier[i+1].Load]) / 2
		}
		if r.Lower != nil {
			at := y(*r.Lower)
			fmt.Fprintf(&lower, "M%.1f %.1fH%.1f", from, at, to)
			fmt.Fprintf(&passes, "M%.1f %.1fH%.1fV%.1fH%.1fZ", from, at, to, c.Bottom, from)
		}
		if r.Upper != nil {
			at := y(*r.Upper)
			fmt.Fprintf(&upper, "M%.1f %.1fH%.1f", from, at, to)
			fmt.Fprintf(&fails, "M%.1f %.1fH%.1fV%.1fH%.1fZ", from, at, to, c.Top, from)
		}
	}
	c.Lower, c.Upper, c.Passes, c.Fails = lower.String(), upper.String(), passes.String(), fails.String()
}

// ticksOf are round intensities: 1, 2 and 5 of each power of ten between the ends, and the ends themselves. Amounts of bytes go by
// powers of two.
func ticksOf(a *Answer) (all []float64) {
	low, most := min(a.From, a.Most), max(a.From, a.Most)
	all = append(all, low)
	add := func(at float64) {
		if at > low*1.15 && at < most/1.15 {
			all = append(all, at)
		}
	}
	if a.Unit == inBytes || a.Unit == inBytesPerSecond {
		for at := math.Exp2(math.Floor(math.Log2(low))); at < most; at *= 4 {
			add(at)
		}
		return append(all, most)
	}
	few := most/low > 1e3
	for at := math.Pow(10, math.Floor(math.Log10(low))); at < most; at *= 10 {
		add(at)
		if !few {
			add(2 * at)
			add(5 * at)
		}
	}
	return append(all, most)
}
