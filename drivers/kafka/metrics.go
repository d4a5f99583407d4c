package kafka

import "github.com/rcrowley/go-metrics"

// quiet is a metrics registry that measures nothing: sarama's metrics cost a share of every request, and it has no switch
// for them but a global one. Only what sarama asks for is answered: meters, histograms and counters. (What it can't catch:
// encoding a fetch, sarama v1.61.1 marks a meter of the global registry too, which starts go-metrics' meterArbiter, a
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
