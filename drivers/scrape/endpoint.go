package scrape

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"wringer/drivers"
)

// accept asks for OpenMetrics first, and takes the text format of Prometheus.
const accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"

// mostMatches bounds the time series that match one selector.
const mostMatches = 10_000

// endpoint is the target's own endpoint of metrics.
type endpoint struct {
	get       *getter
	url       *url.URL
	selectors map[string]*selector
}

// Read implements drivers.SeriesSource.
func (e *endpoint) Read(ctx context.Context) (map[string]drivers.SeriesReading, error) {
	ctx, cancel := e.get.within(ctx)
	defer cancel()
	body, contentType, err := e.get.get(ctx, e.url, accept, false)
	if err != nil {
		return nil, err
	}
	return e.parse(body, contentType)
}

// Close implements drivers.SeriesSource.
func (e *endpoint) Close() error {
	e.get.close()
	return nil
}

// plainText is taken for the format of a body that names none of those that are known. A page of HTML is no metrics.
const plainText = "text/plain"

// parse finds the series in a body. The body may be anything, and the parser is not ours: a panic is an error of this reading.
func (e *endpoint) parse(body []byte, contentType string) (all map[string]drivers.SeriesReading, err error) {
	defer func() {
		if r := recover(); r != nil {
			all, err = nil, fmt.Errorf("the metrics cannot be read: %.300v", r)
		}
	}()
	if strings.Contains(contentType, "protobuf") || strings.Contains(contentType, "html") || strings.Contains(contentType, "json") {
		return nil, fmt.Errorf("the answer is %.60q, and neither the text format of Prometheus nor OpenMetrics", contentType)
	}
	if bytes.IndexByte(body, 0) >= 0 { // the parser takes it for the end
		return nil, errors.New("the metrics cannot be read: a zero byte is in them")
	}
	p, err := textparse.New(body, contentType, plainText, false, true, false, labels.NewSymbolTable())
	if p == nil {
		return nil, err
	}
	x := &exposition{types: make(map[string]model.MetricType), found: make(map[string]*match, len(e.selectors)), byName: make(map[string][]*match)}
	for name, s := range e.selectors {
		m := &match{selector: s, values: make(map[string]float64)}
		x.found[name], x.byName[s.name] = m, append(x.byName[s.name], m)
	}
	for {
		entry, err := p.Next()
		switch {
		case errors.Is(err, io.EOF):
			return x.readings(), nil
		case err != nil:
			return nil, fmt.Errorf("the metrics cannot be read: %.300s", err)
		case entry == textparse.EntryType:
			name, kind := p.Type()
			x.types[string(name)] = kind
		case entry == textparse.EntrySeries:
			x.series(p)
		}
	}
}

// exposition is a body that is being read.
type exposition struct {
	types  map[string]model.MetricType // of families
	found  map[string]*match           // by the name of the series
	byName map[string][]*match         // by the name of the metric
}

// match is what a selector has found.
type match struct {
	*selector
	values  map[string]float64
	missing string
}

// series looks at one time series. Only those of a selector's name are read to their labels.
func (x *exposition) series(p textparse.Parser) {
	text, _, value := p.Series()
	name, _, _ := bytes.Cut(text, []byte("{"))
	wanted := x.byName[string(name)]
	if len(wanted) == 0 {
		return
	}
	var all labels.Labels
	p.Labels(&all)
	for _, m := range wanted {
		if m.matches(all) {
			m.add(all.String(), value)
		}
	}
}

// add adds a time series. What cannot be summed leaves the series without a value.
func (m *match) add(key string, value float64) {
	_, twice := m.values[key]
	switch {
	case twice:
		m.missing = fmt.Sprintf("%.200s is there twice", key)
	case math.IsNaN(value) || math.IsInf(value, 0):
		m.missing = fmt.Sprintf("%.200s is %v, which is no value", key, value)
	case len(m.values) == mostMatches:
		m.missing = fmt.Sprintf("more than %d time series match", mostMatches)
	default:
		m.values[key] = value
	}
}

// readings are what was found of each series.
func (x *exposition) readings() map[string]drivers.SeriesReading {
	all := make(map[string]drivers.SeriesReading, len(x.found))
	for name, m := range x.found {
		r := drivers.SeriesReading{Counter: x.counts(m.name), Values: m.values, Missing: m.missing}
		if len(m.values) == 0 && m.missing == "" {
			r.Missing, r.Absent = "nothing matches its selector", true
		}
		all[name] = r
	}
	return all
}

// counts says whether a metric is a counter. The counts and sums of histograms and summaries are counters too. A metric without a type
// is one where its name ends with _total.
func (x *exposition) counts(name string) bool {
	if kind, ok := x.types[name]; ok && kind != model.MetricTypeUnknown {
		return kind == model.MetricTypeCounter
	}
	for _, suffix := range []string{"_total", "_bucket", "_count", "_sum"} {
		family, ok := strings.CutSuffix(name, suffix)
		if !ok {
			continue
		}
		switch x.types[family] {
		case model.MetricTypeCounter:
			return suffix == "_total"
		case model.MetricTypeHistogram, model.MetricTypeSummary:
			return suffix != "_total"
		case "", model.MetricTypeUnknown:
			return suffix == "_total"
		}
	}
	return false
}
