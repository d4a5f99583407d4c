// Package prometheus shows a run to Prometheus while the run goes on: Exporter answers scrapes of /metrics, and Pusher sends the same
// by remote write. docs/prometheus.md lists the metrics.
//
// The values are those of the partial records that the runner hands out once a second, and at the end those of the record.
package prometheus
