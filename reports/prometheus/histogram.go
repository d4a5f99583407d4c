package prometheus

import (
	"cmp"
	"slices"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"wringer/reports"
)

// bounds are the upper bounds of the classic buckets, in seconds: those of the record's histogram.
var bounds = []float64{
	.0001, .0002, .0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 20, 50,
}

const (
	// nativeSchema has 8 buckets for each doubling: 9 % wide.
	nativeSchema = 3
	// nativeBeyond is the bucket for what is larger than every number.
	nativeBeyond = 1024<<nativeSchema + 1
)

// newHistogram is the histogram of a stream's response times. Those without an answer are beyond all bounds, so that a quantile covers
// every operation, as the record's do. native buckets that are not those of the record's operations are left out. The slowest
// operations with a trace are exemplars.
func newHistogram(desc *client.Desc, epoch time.Time, s *reports.Stream, native map[int]int64, labels []string) client.Metric {
	below := make(map[float64]uint64)
	var answered, known int64
	for _, b := range s.Histogram {
		answered += b.Count
		for _, bound := range bounds {
			if time.Duration(b.UpToNS).Seconds() <= bound {
				below[bound] += uint64(b.Count)
			}
		}
	}
	for _, bound := range bounds {
		below[bound] += 0 // an empty bucket is one too
	}
	all := max(s.Total.Offered, answered)
	classic := client.MustNewConstHistogram(desc, uint64(all), sum(s, answered), below, labels...)
	buckets := make(map[int]int64)
	for i, n := range native {
		buckets[i], known = n, known+n
	}
	out := &histogram{classic: classic, exemplars: exemplars(epoch, s.Slowest)}
	if known != answered {
		return out
	}
	if all > answered {
		buckets[nativeBeyond] = all - answered
	}
	out.native = client.MustNewConstNativeHistogram(desc, uint64(all), sum(s, answered), buckets, nil, 0, nativeSchema, 0, time.Time{}, labels...)
	return out
}

// exemplars lead from response times to traces, the slowest first.
func exemplars(epoch time.Time, slowest []reports.Slow) (all []*dto.Exemplar) {
	for i := range slowest {
		one := &slowest[i]
		if one.TraceID == "" {
			continue
		}
		label := &dto.LabelPair{Name: new("trace_id"), Value: new(one.TraceID)}
		all = append(all, &dto.Exemplar{
			Label: []*dto.LabelPair{label}, Value: new(time.Duration(one.ResponseNS).Seconds()),
			Timestamp: timestamppb.New(epoch.Add(time.Duration(one.PlannedNS + one.ResponseNS))),
		})
	}
	slices.SortStableFunc(all, func(a, b *dto.Exemplar) int { return cmp.Compare(b.GetValue(), a.GetValue()) })
	return all
}

// sum is the sum of the answered times, in seconds.
func sum(s *reports.Stream, answered int64) float64 {
	if l := s.Total.Response; l != nil && l.Mean != nil {
		return *l.Mean * float64(answered) / 1e9
	}
	return 0
}

// histogram is a histogram with classic buckets, and with native ones where they are known.
type histogram struct {
	native, classic client.Metric
	exemplars       []*dto.Exemplar // the slowest first
}

// Desc is client.Metric's.
func (h *histogram) Desc() *client.Desc { return h.classic.Desc() }

// Write is client.Metric's.
func (h *histogram) Write(out *dto.Metric) error {
	if err := h.classic.Write(out); err != nil {
		return err
	}
	if h.native != nil {
		buckets := out.Histogram.Bucket
		if err := h.native.Write(out); err != nil {
			return err
		}
		out.Histogram.Bucket, out.Histogram.CreatedTimestamp, out.Histogram.Exemplars = buckets, nil, h.exemplars
	}
	for _, e := range h.exemplars {
		at, _ := slices.BinarySearchFunc(out.Histogram.Bucket, e.GetValue(), func(b *dto.Bucket, v float64) int { return cmp.Compare(b.GetUpperBound(), v) })
		if at < len(out.Histogram.Bucket) && out.Histogram.Bucket[at].Exemplar == nil {
			out.Histogram.Bucket[at].Exemplar = e
		}
	}
	return nil
}
