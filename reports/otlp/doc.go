// Package otlp sends the spans and the metrics of runs to an OpenTelemetry collector, by OTLP. The standard OTEL_ variables say where and
// how; docs/traces.md lists them.
//
// Nothing in it holds up traffic: queues are bounded, what finds no room is counted, and Close waits no longer than its context.
package otlp
