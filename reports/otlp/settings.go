package otlp

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"wringer/drivers"
)

// Settings are what the OTEL_ variables ask for.
type Settings struct {
	Traces, Metrics Signal
	// Trace is what requests carry of traces. The zero value: no spans are exported.
	Trace drivers.Trace
	// Warnings say which values are not understood, and what is done in their place.
	Warnings []string
}

// Signal says how one kind of data is exported.
type Signal struct {
	On       bool
	Protocol string // one of the protocols
	Place    string // the collector's URL without its password, for messages
}

const (
	protocolHTTP = "http/protobuf"
	protocolGRPC = "grpc"
)

// FromEnv reads the variables by getenv. An error says that a variable cannot mean anything, with the remedy.
func FromEnv(getenv func(string) string) (s Settings, err error) {
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") {
		return Settings{}, nil
	}
	if s.Traces, err = signal(getenv, "TRACES"); err != nil {
		return Settings{}, err
	}
	if s.Metrics, err = signal(getenv, "METRICS"); err != nil {
		return Settings{}, err
	}
	if s.Traces.On {
		s.Trace = drivers.NewTrace(s.sampler(getenv), s.propagators(getenv)...)
	}
	return s, nil
}

// signal reads the variables of one kind of data. Those of its own count before those of all kinds.
func signal(getenv func(string) string, kind string) (Signal, error) {
	const all, own = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_%s_ENDPOINT"
	name := fmt.Sprintf(own, kind)
	if getenv(name) == "" {
		name = all
	}
	exporter := getenv("OTEL_" + kind + "_EXPORTER")
	if getenv(name) == "" || exporter != "" && exporter != "otlp" {
		return Signal{}, nil
	}
	u, err := url.Parse(getenv(name))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return Signal{}, fmt.Errorf("%s is no URL of a collector: write http://127.0.0.1:4318, or unset it", name)
	}
	out := Signal{On: true, Place: u.Redacted(), Protocol: cmp.Or(getenv("OTEL_EXPORTER_OTLP_"+kind+"_PROTOCOL"), getenv("OTEL_EXPORTER_OTLP_PROTOCOL"), protocolHTTP)}
	if known := []string{protocolGRPC, protocolHTTP}; !slices.Contains(known, out.Protocol) {
		return Signal{}, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL: %q is not spoken; write %s", out.Protocol, strings.Join(known, " or "))
	}
	return out, nil
}

// sampler is the share of operations that is sampled by head.
func (s *Settings) sampler(getenv func(string) string) drivers.Ratio {
	const name, argument = "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"
	switch text := getenv(name); strings.TrimPrefix(text, "parentbased_") {
	case "", "always_on":
	case "always_off":
		return 0
	case "traceidratio":
		if getenv(argument) == "" {
			return 1
		}
		share, err := strconv.ParseFloat(getenv(argument), 64)
		if err == nil && share >= 0 && share <= 1 {
			return drivers.Ratio(share)
		}
		s.Warnings = append(s.Warnings, argument+" is no share from 0 to 1: every operation is sampled")
	default:
		s.Warnings = append(s.Warnings, fmt.Sprintf("%s: %q is not known: every operation is sampled; write always_on, always_off or traceidratio", name, text))
	}
	return 1
}

// propagators are the names of the headers that carry a trace.
func (s *Settings) propagators(getenv func(string) string) (headers []string) {
	const name = "OTEL_PROPAGATORS"
	for text := range strings.SplitSeq(cmp.Or(getenv(name), "tracecontext,baggage"), ",") {
		switch text = strings.TrimSpace(text); text {
		case "tracecontext":
			headers = append(headers, drivers.HeaderTraceparent)
		case "b3":
			headers = append(headers, drivers.HeaderB3)
		case "xray":
			headers = append(headers, drivers.HeaderAmazon)
		case "baggage", "none": // there is nothing to carry
		default:
			s.Warnings = append(s.Warnings, fmt.Sprintf("%s: %q is not known, and left out; write tracecontext, b3 or xray", name, text))
		}
	}
	return headers
}
