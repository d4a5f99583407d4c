// Package knee draws a capacity answer as a page: the answer, the knee chart of all trials with both bounds, and what every trial showed.
package knee

import (
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"time"

	"wringer/reports"
	"wringer/reports/html"
	"wringer/scenarios/capacity"
)

//go:embed assets
var assets embed.FS

var body = template.Must(template.ParseFS(assets, "assets/knee.gohtml"))

func asset(name string) string {
	data, err := assets.ReadFile("assets/" + name)
	if err != nil {
		panic(err) // embedded: a missing file is a build error
	}
	return string(data)
}

var style, script = asset("knee.css"), asset("knee.js")

// Render writes the page. The same answer gives the same bytes.
func Render(w io.Writer, a *capacity.Answer) error {
	p := html.Page{Body: body, Data: newView(a), Title: a.Answer + ": the capacity of " + a.Name + " – wringer", Style: style, Script: script}
	return p.Render(w)
}

// view is the data of the template.
type view struct {
	Answer  *capacity.Answer
	Tone    string // pass, fail or inconclusive
	Started string
	Took    string
	Trials  []row
	Gates   []way
	USL     *usl
	Chart   chart
}

// row is a trial in the table.
type row struct {
	Load, Seconds, Verdict, P50, P99, Errors, Achieved, Why, Record string
	Early                                                           bool
}

// way is where a gate gives way.
type way struct{ Gate, Holds, Fails string }

// usl is the fit in words.
type usl struct {
	Text string
	Rows []residual
}

type residual struct{ Load, InFlight, Achieved, Fitted, Off string }

// chart is the data of the charts: loads ascending, times in milliseconds, errors in percent.
type chart struct {
	Unit     string     `json:"unit"`
	Load     []float64  `json:"load"`
	P50      []*float64 `json:"p50"`
	P99      []*float64 `json:"p99"`
	Errors   []*float64 `json:"errors"`
	Goodput  []*float64 `json:"goodput"`
	Fitted   []*float64 `json:"fitted"` // the goodput by the Universal Scalability Law
	Verdict  []string   `json:"verdict"`
	Lower    *float64   `json:"lower"`
	Upper    *float64   `json:"upper"`
	IsAtRate bool       `json:"rates"` // loads are rates: goodput can be compared with them
}

func newView(a *capacity.Answer) *view {
	v := &view{Answer: a, Tone: tone(a), Started: a.Started.UTC().Format(time.RFC3339), Took: reports.Duration(a.Seconds * 1e9), Chart: newChart(a)}
	for _, t := range a.Trials {
		v.Trials = append(v.Trials, row{
			Load: load(a, t.At), Seconds: reports.Duration(t.Seconds * 1e9), Verdict: t.Verdict, P50: duration(t.P50NS), P99: duration(t.P99NS),
			Errors: share(t.Errors), Achieved: perSecond(t.Achieved), Why: t.Why, Record: t.Record, Early: t.Seconds < t.Planned*0.999,
		})
	}
	for _, g := range a.GivesWay {
		never := "never seen to hold"
		if g.Fails != nil { // it may have held above: a lower load that fails is believed
			never = "at no load below that"
		}
		v.Gates = append(v.Gates, way{g.Gate, known(a, g.Holds, never), known(a, g.Fails, "not seen to give way")})
	}
	v.USL = newUSL(a)
	return v
}

func tone(a *capacity.Answer) string {
	switch {
	case a.Exit == reports.ExitFail:
		return "fail"
	case a.Exit != reports.ExitPass:
		return "inconclusive"
	}
	return "pass"
}

func newUSL(a *capacity.Answer) *usl {
	u := a.USL
	if u == nil {
		return nil
	}
	out := &usl{Text: fmt.Sprintf("X(N) = %s N / (1 + %s (N - 1) + %s N (N - 1))", reports.Factor(u.Lambda), reports.Factor(u.Sigma), reports.Factor(u.Kappa))}
	if u.Peak != nil && u.Most != nil {
		out.Text += fmt.Sprintf(", highest at %s in flight: %s", reports.Factor(*u.Peak), reports.Rate(*u.Most))
	}
	for _, r := range u.Residuals {
		out.Rows = append(out.Rows, residual{
			load(a, r.At), reports.Factor(r.InFlight), reports.Rate(r.Achieved), reports.Rate(r.Fitted), fmt.Sprintf("%+.1f %%", 100*(r.Fitted/r.Achieved-1)),
		})
	}
	return out
}

func newChart(a *capacity.Answer) chart {
	c := chart{Unit: "users", IsAtRate: a.Unit == "per_second", Load: []float64{}}
	if c.IsAtRate {
		c.Unit = "/s"
	}
	if a.Lower != nil {
		c.Lower = &a.Lower.At
	}
	if a.Upper != nil {
		c.Upper = &a.Upper.At
	}
	trials := slices.Clone(a.Trials)
	slices.SortStableFunc(trials, func(x, y *capacity.Trial) int { return cmp.Compare(x.At, y.At) })
	for _, t := range trials {
		c.Load = append(c.Load, t.At)
		c.P50, c.P99 = append(c.P50, scaled(t.P50NS, 1e-6)), append(c.P99, scaled(t.P99NS, 1e-6))
		c.Errors, c.Goodput = append(c.Errors, scaled(t.Errors, 100)), append(c.Goodput, t.Achieved)
		c.Fitted = append(c.Fitted, fitted(a.USL, t.At))
		c.Verdict = append(c.Verdict, t.Verdict)
	}
	return c
}

// fitted is the mean of what the fit says of the trials at a load.
func fitted(u *capacity.USL, at float64) *float64 {
	if u == nil {
		return nil
	}
	n, sum := 0.0, 0.0
	for _, r := range u.Residuals {
		if r.At == at {
			n, sum = n+1, sum+r.Fitted
		}
	}
	if n == 0 {
		return nil
	}
	return new(sum / n)
}

func scaled(v *float64, by float64) *float64 {
	if v == nil {
		return nil
	}
	return new(*v * by)
}

func load(a *capacity.Answer, at float64) string {
	if a.Unit == "per_second" {
		return reports.Rate(at)
	}
	if at == 1 {
		return "1 user"
	}
	return fmt.Sprintf("%.0f users", at)
}

func known(a *capacity.Answer, at *float64, otherwise string) string {
	if at == nil {
		return otherwise
	}
	return load(a, *at)
}

func duration(ns *float64) string {
	if ns == nil {
		return reports.NoAnswer
	}
	return reports.Duration(*ns)
}

func share(v *float64) string     { return reports.Measured(v, reports.Share) }
func perSecond(v *float64) string { return reports.Measured(v, reports.Rate) }
