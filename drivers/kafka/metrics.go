package kafka

import "github.com/rcrowley/go-metrics"

// noMetrics is a metrics registry that measures nothing. sarama's metrics cost time in every request, and sarama can only
// switch them off globally. The registry answers what sarama asks for: meters, histograms and counters. (One leak remains:
// when sarama v1.61.1 encodes a fetch, it marks a meter of the global registry. That starts go-metrics' meterArbiter, a
// goroutine that never ends.)
type noMetrics struct{}

func (noMetrics) GetOrRegister(_ string, metric any) any {
	switch metric.(type) {
	case func() metrics.Meter:
		return metrics.NilMeter{}
	case func() metrics.Histogram:
		return metrics.NilHistogram{}
	case func() metrics.Counter:
		return metrics.NilCounter{}
	}
	return metric
}

func (noMetrics) Each(func(string, any))            {}
func (noMetrics) Get(string) any                    { return nil }
func (noMetrics) GetAll() map[string]map[string]any { return nil }
func (noMetrics) Register(string, any) error        { return nil }
func (noMetrics) RunHealthchecks()                  {}
func (noMetrics) Unregister(string)                 {}
func (noMetrics) UnregisterAll()                    {}
