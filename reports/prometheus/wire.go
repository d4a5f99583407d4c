package prometheus

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"github.com/klauspost/compress/snappy"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protowire"
)

// The fields of a request of remote write 1.0 (prometheus.WriteRequest, https://prometheus.io/docs/specs/prw/remote_write_spec/):
//
//	WriteRequest { repeated TimeSeries timeseries = 1 }
//	TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2 }
//	Label        { string name = 1; string value = 2 }
//	Sample       { double value = 1; int64 timestamp = 2 }  // in milliseconds
//
// Four messages are not worth Prometheus's own module with its dependencies.
const (
	fieldSeries              = 1
	fieldLabels, fieldSample = 1, 2
	fieldName, fieldText     = 1, 2
	fieldValue, fieldTime    = 1, 2
)

// job is the label by which receivers tell programs apart.
const job = "wringer"

type label struct{ name, value string }

// encode returns the compressed request that holds the families at a time. Of a histogram it has the classic buckets.
func encode(families []*dto.MetricFamily, millis int64) []byte {
	var b []byte
	for _, f := range families {
		for _, m := range f.Metric {
			b = appendMetric(b, f.GetName(), m, millis)
		}
	}
	return snappy.Encode(nil, b)
}

// appendMetric appends the series of a metric.
func appendMetric(b []byte, name string, m *dto.Metric, millis int64) []byte {
	h := m.Histogram
	switch {
	case m.Counter != nil:
		return appendSeries(b, name, m.Label, m.Counter.GetValue(), millis)
	case m.Gauge != nil:
		return appendSeries(b, name, m.Label, m.Gauge.GetValue(), millis)
	case h == nil:
		return b // there is no other kind
	}
	for _, bucket := range h.Bucket {
		bound := strconv.FormatFloat(bucket.GetUpperBound(), 'g', -1, 64)
		b = appendSeries(b, name+"_bucket", m.Label, float64(bucket.GetCumulativeCount()), millis, label{"le", bound})
	}
	all := float64(h.GetSampleCount())
	b = appendSeries(b, name+"_bucket", m.Label, all, millis, label{"le", "+Inf"})
	b = appendSeries(b, name+"_count", m.Label, all, millis)
	return appendSeries(b, name+"_sum", m.Label, h.GetSampleSum(), millis)
}

// appendSeries appends one series with one sample. Its labels are sorted, as the receiver wants them.
func appendSeries(b []byte, name string, pairs []*dto.LabelPair, value float64, millis int64, more ...label) []byte {
	labels := append(more, label{"__name__", name}, label{"job", job})
	for _, p := range pairs {
		labels = append(labels, label{p.GetName(), p.GetValue()})
	}
	slices.SortFunc(labels, func(x, y label) int { return cmp.Compare(x.name, y.name) })
	var series []byte
	for _, l := range labels {
		if l.value == "" {
			continue // means the same as no label
		}
		var one []byte
		one = protowire.AppendString(protowire.AppendTag(one, fieldName, protowire.BytesType), l.name)
		one = protowire.AppendString(protowire.AppendTag(one, fieldText, protowire.BytesType), l.value)
		series = protowire.AppendBytes(protowire.AppendTag(series, fieldLabels, protowire.BytesType), one)
	}
	var sample []byte
	sample = protowire.AppendFixed64(protowire.AppendTag(sample, fieldValue, protowire.Fixed64Type), math.Float64bits(value))
	sample = protowire.AppendVarint(protowire.AppendTag(sample, fieldTime, protowire.VarintType), uint64(millis))
	series = protowire.AppendBytes(protowire.AppendTag(series, fieldSample, protowire.BytesType), sample)
	return protowire.AppendBytes(protowire.AppendTag(b, fieldSeries, protowire.BytesType), series)
}
