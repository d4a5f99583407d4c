package otlp

import (
	"reflect"
	"strings"
	"testing"

	"wringer/drivers"
)

func TestSettings(t *testing.T) {
	const at = "OTEL_EXPORTER_OTLP_ENDPOINT"
	all := drivers.NewTrace(1, drivers.HeaderTraceparent)
	http := Signal{On: true, Protocol: protocolHTTP, Place: "http://c:4318"}
	for name, c := range map[string]struct {
		env  map[string]string
		want Settings
	}{
		"nothing":     {nil, Settings{}},
		"an endpoint": {map[string]string{at: "http://c:4318"}, Settings{Traces: http, Metrics: http, Trace: all}},
		"disabled":    {map[string]string{at: "http://c:4318", "OTEL_SDK_DISABLED": "TRUE"}, Settings{}},
		"metrics alone": {map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "https://u:secret@c/m", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc"},
			Settings{Metrics: Signal{On: true, Protocol: protocolGRPC, Place: "https://u:xxxxx@c/m"}}},
		"no metrics": {map[string]string{at: "http://c:4318", "OTEL_METRICS_EXPORTER": "none"}, Settings{Traces: http, Trace: all}},
		"a share": {map[string]string{at: "http://c:4318", "OTEL_METRICS_EXPORTER": "none", "OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25", "OTEL_PROPAGATORS": "b3,xray"},
			Settings{Traces: http, Trace: drivers.NewTrace(0.25, drivers.HeaderB3, drivers.HeaderAmazon)}},
		"none": {map[string]string{at: "http://c:4318", "OTEL_METRICS_EXPORTER": "none", "OTEL_TRACES_SAMPLER": "always_off"},
			Settings{Traces: http, Trace: drivers.NewTrace(0, drivers.HeaderTraceparent)}},
	} {
		if got, err := FromEnv(func(name string) string { return c.env[name] }); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for text, env := range map[string]map[string]string{
		"is no URL":          {at: "localhost:4318"},
		`"http/json" is not`: {at: "http://c:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
	} {
		if _, err := FromEnv(func(name string) string { return env[name] }); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%v: %v", env, err)
		}
	}
	odd := map[string]string{at: "http://c:4318", "OTEL_TRACES_SAMPLER": "jaeger_remote", "OTEL_PROPAGATORS": "ottrace,tracecontext"}
	if got, err := FromEnv(func(name string) string { return odd[name] }); err != nil || len(got.Warnings) != 2 || !reflect.DeepEqual(got.Trace, all) {
		t.Errorf("%+v, %v", got, err)
	}
}
