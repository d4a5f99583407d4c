package otlp

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
)

// An export that the collector puts off, by 429, 503 or the like, is made again for this long.
const (
	firstRetry = 500 * time.Millisecond
	laterRetry = 2 * time.Second
	retryFor   = 10 * time.Second
)

// spanExporter speaks the protocol to the collector that the OTEL_EXPORTER_OTLP_ variables name. It dials later.
func spanExporter(ctx context.Context, protocol string) (trace.SpanExporter, error) {
	if protocol == protocolGRPC {
		return otlptracegrpc.New(ctx, otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{
			Enabled: true, InitialInterval: firstRetry, MaxInterval: laterRetry, MaxElapsedTime: retryFor,
		}))
	}
	return otlptracehttp.New(ctx, otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
		Enabled: true, InitialInterval: firstRetry, MaxInterval: laterRetry, MaxElapsedTime: retryFor,
	}))
}

// metricExporter is spanExporter for metrics.
func metricExporter(ctx context.Context, protocol string) (metric.Exporter, error) {
	if protocol == protocolGRPC {
		return otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithRetry(otlpmetricgrpc.RetryConfig{
			Enabled: true, InitialInterval: firstRetry, MaxInterval: laterRetry, MaxElapsedTime: retryFor,
		}))
	}
	return otlpmetrichttp.New(ctx, otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{
		Enabled: true, InitialInterval: firstRetry, MaxInterval: laterRetry, MaxElapsedTime: retryFor,
	}))
}

// resourceOf says who sends: wringer of that version, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES say otherwise.
func resourceOf(ctx context.Context, version string) (*resource.Resource, error) {
	return resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "wringer"), attribute.String("service.version", version)),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
}
