package otlp

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"wringer/drivers"
)

// interval is the time between two exports of metrics, where OTEL_METRIC_EXPORT_INTERVAL does not say.
const interval = 5 * time.Second

// Metrics exports metrics at each interval.
type Metrics struct {
	tally
	provider *metric.MeterProvider
}

// NewMetrics begins to export what gather returns: the metrics of reports/prometheus. The caller calls Close.
func NewMetrics(ctx context.Context, c Config, gather func() ([]*dto.MetricFamily, error)) (*Metrics, error) {
	exporter, err := metricExporter(ctx, c.Signal.Protocol)
	if err != nil {
		return nil, err
	}
	return newMetrics(ctx, c, gather, exporter)
}

func newMetrics(ctx context.Context, c Config, gather func() ([]*dto.MetricFamily, error), exporter metric.Exporter) (*Metrics, error) {
	of, err := resourceOf(ctx, c.Version)
	if err != nil {
		return nil, err
	}
	m := &Metrics{tally: tally{what: "exports of metrics", place: c.Signal.Place, failed: c.Failed}}
	options := []metric.PeriodicReaderOption{
		metric.WithProducer(bridge.NewMetricProducer(bridge.WithGatherer(client.GathererFunc(classic(gather))))),
	}
	if os.Getenv("OTEL_METRIC_EXPORT_INTERVAL") == "" {
		options = append(options, metric.WithInterval(interval))
	}
	m.provider = metric.NewMeterProvider(metric.WithResource(of), metric.WithReader(metric.NewPeriodicReader(counted{exporter, &m.tally}, options...)))
	return m, nil
}

// classic leaves out the native buckets of histograms: their bucket of operations without an answer has no like in OTLP.
func classic(gather func() ([]*dto.MetricFamily, error)) func() ([]*dto.MetricFamily, error) {
	return func() ([]*dto.MetricFamily, error) {
		families, err := gather()
		for _, f := range families {
			for _, m := range f.Metric {
				if h := m.Histogram; h != nil {
					m.Histogram = &dto.Histogram{SampleCount: h.SampleCount, SampleSum: h.SampleSum, Bucket: h.Bucket}
				}
			}
		}
		return families, err
	}
}

// counted counts the exports. Their errors end with it: the SDK would log each.
type counted struct {
	metric.Exporter
	tally *tally
}

// Export implements metric.Exporter. Before the first run there is nothing to export.
func (c counted) Export(ctx context.Context, of *metricdata.ResourceMetrics) error {
	if len(of.ScopeMetrics) > 0 {
		decodeTraces(of)
		c.tally.exported(1, c.Exporter.Export(ctx, of))
	}
	return nil
}

// decodeTraces mends the trace ids of exemplars: the bridge leaves them in hexadecimal digits, and OTLP wants their 16 bytes.
func decodeTraces(of *metricdata.ResourceMetrics) {
	for _, scope := range of.ScopeMetrics {
		for _, one := range scope.Metrics {
			h, ok := one.Data.(metricdata.Histogram[float64])
			if !ok {
				continue
			}
			for _, p := range h.DataPoints {
				for i := range p.Exemplars {
					if id, err := hex.DecodeString(string(p.Exemplars[i].TraceID)); err == nil && len(id) == len(drivers.TraceID{}) {
						p.Exemplars[i].TraceID = id
					}
				}
			}
		}
	}
}

// Flush exports the metrics as they are, and waits for the collector until ctx ends.
func (m *Metrics) Flush(ctx context.Context) {
	_ = m.provider.ForceFlush(ctx) // the tally has the error; one of ctx alone is an export that is still made
}

// Close exports a last time, until ctx ends. The error says how many exports failed, and why the last one did.
func (m *Metrics) Close(ctx context.Context) error {
	err := m.provider.Shutdown(ctx)
	return errors.Join(m.err(), err)
}
