package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"

	"wringer/drivers"
	"wringer/reports/otlp"
)

// collector exports spans and metrics to an OTLP collector, where the OTEL_ variables name one.
type collector struct {
	settings otlp.Settings
	spans    *otlp.Spans   // nil: none are exported
	metrics  *otlp.Metrics // nil: the same
}

// read reads the variables.
func (c *collector) read() (err error) {
	if c.settings, err = otlp.FromEnv(os.Getenv); err != nil {
		return usage("%w", err)
	}
	return nil
}

// trace is what requests carry of traces where the scenario says nothing.
func (c *collector) trace() drivers.Trace {
	if c.spans == nil {
		return drivers.Trace{}
	}
	return c.settings.Trace
}

// open begins to export. gather returns the metrics. The caller calls close.
func (c *collector) open(ctx context.Context, f *runFlags, std streams, gather func() ([]*dto.MetricFamily, error)) (err error) {
	log := f.logger(std.err)
	for _, warning := range c.settings.Warnings {
		log.Warn(warning)
	}
	config := otlp.Config{Version: version(), Failed: func(err error) { log.Warn(err.Error()) }}
	if config.Signal = c.settings.Traces; config.Signal.On {
		if c.spans, err = otlp.NewSpans(ctx, config); err != nil {
			return usage("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
		}
		fmt.Fprintf(std.err, "spans: %s; requests carry %s\n", config.Signal.Place, carried(c.settings.Trace))
	}
	if config.Signal = c.settings.Metrics; config.Signal.On {
		if c.metrics, err = otlp.NewMetrics(ctx, config, gather); err != nil {
			c.close(ctx, std)
			return usage("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
		}
		fmt.Fprintf(std.err, "metrics: %s\n", config.Signal.Place)
	}
	return nil
}

// carried lists the headers of a trace.
func carried(t drivers.Trace) string {
	var all []string
	for _, h := range t.Headers {
		all = append(all, h.Name)
	}
	if len(all) == 0 {
		return "no trace"
	}
	return strings.Join(all, ", ")
}

// collectorPatience is how long the end of a run, and of the command, may wait for the collector.
const collectorPatience = 3 * time.Second

// flush exports the metrics of a run that is over.
func (c *collector) flush() {
	if c.metrics == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), collectorPatience)
	defer cancel()
	c.metrics.Flush(ctx)
}

// close exports what is left, also after an interrupt, and tells what is missing.
func (c *collector) close(ctx context.Context, std streams) {
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), collectorPatience)
	defer cancel()
	var both sync.WaitGroup
	var spans, metrics error
	if c.spans != nil {
		both.Go(func() { spans = c.spans.Close(end) })
	}
	if c.metrics != nil {
		both.Go(func() { metrics = c.metrics.Close(end) })
	}
	both.Wait()
	for _, err := range []error{spans, metrics} {
		if err != nil {
			fmt.Fprintf(std.err, "warning: %v\n", err)
		}
	}
}
