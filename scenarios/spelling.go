package scenarios

import (
	"fmt"
	"regexp"
	"strings"
)

// The forms of k6's thresholds are spellings of gates. They keep k6's names and k6's units: a bare number of a time is milliseconds.
// In k6 http_req_duration counts from the send, which is the service time here, and http_req_failed is a share of the requests.
//
//	p(95) < 500                        p95 < 500ms
//	avg < 200, med < 100               mean < 200ms, p50 < 100ms
//	http_req_duration: p(99) < 1000    service.p99 < 1000ms
//	http_req_failed: rate < 0.01       errors < 0.01
//	http_reqs: count > 100             attempts > 100
var (
	thresholdOf = regexp.MustCompile(`^([a-z][a-z_]*)\s*:\s*(.*)$`)
	percentile  = regexp.MustCompile(`^p\(\s*([0-9]+(?:\.[0-9]+)?)\s*\)`)
	aggregate   = regexp.MustCompile(`^(avg|med|max|min|rate|count)\b`)
	bareTime    = regexp.MustCompile(`^(\s*(?:<=|>=|==|!=|<|>)\s*)([0-9]+(?:\.[0-9]+)?)(\s|$)`)
)

// percentiles are those of a time, by k6's number.
var percentiles = map[string]string{"50": "p50", "90": "p90", "95": "p95", "99": "p99", "99.9": "p999"}

// respelled is a gate in the words of this language, if it is written as k6 writes thresholds.
func respelled(expr string) (string, error) {
	stream, metric, ok := strings.Cut(expr, ".")
	if !ok || !streamName.MatchString(stream) {
		return expr, nil
	}
	of := ""
	if m := thresholdOf.FindStringSubmatch(metric); m != nil {
		of, metric = m[1], m[2]
	}
	metric, err := respelledMetric(of, metric)
	return stream + "." + metric, err
}

// respelledMetric is respelled for the part behind the stream: of is k6's name of the metric, empty without one.
func respelledMetric(of, text string) (string, error) {
	switch of {
	case "":
		return aggregated("", text)
	case "http_req_duration", "grpc_req_duration", "iteration_duration":
		return aggregated("service.", text)
	case "http_req_failed":
		if rest, ok := strings.CutPrefix(text, "rate"); ok {
			return "errors" + rest, nil
		}
		return "", fmt.Errorf("http_req_failed has a rate alone: write http_req_failed: rate<0.01")
	case "http_reqs", "iterations":
		if rest, ok := strings.CutPrefix(text, "count"); ok {
			return "attempts" + rest, nil
		}
		return "", fmt.Errorf("the rate of %s counts failed requests too: write rate > 100/s, which is acked a second, or %s: count>100", of, of)
	case "checks":
		return "", fmt.Errorf("checks are a part of the outcome: a failed check is an error. Write errors < 1%%")
	}
	return "", fmt.Errorf("%s is none of k6's metrics that are read here: http_req_duration, http_req_failed, http_reqs", quote(of))
}

// aggregated reads p(95), avg and med, whose bare numbers are milliseconds; behind a metric of k6 also max. What it does not know is
// this language's own.
func aggregated(prefix, text string) (string, error) {
	name, rest := "", ""
	if m := percentile.FindStringSubmatch(text); m != nil {
		if name = percentiles[m[1]]; name == "" {
			return "", fmt.Errorf("p(%s) is not measured: write p(50), p(90), p(95), p(99) or p(99.9)", m[1])
		}
		rest = text[len(m[0]):]
	} else if m := aggregate.FindString(text); m != "" {
		rest = text[len(m):]
		switch {
		case m == "avg":
			name = "mean"
		case m == "med":
			name = "p50"
		case prefix == "":
			return text, nil // rate and max by themselves are this language's own
		case m == "max":
			name = "max"
		default:
			return "", fmt.Errorf("%s of a time is not judged: write p(95), p(99), avg, med or max", m)
		}
	} else if prefix == "" {
		return text, nil
	} else {
		return "", fmt.Errorf("%s: write p(95)<500, avg<200, med<100 or max<1000; a bare number is milliseconds", quote(text))
	}
	if m := bareTime.FindStringSubmatch(rest); m != nil {
		rest = m[1] + m[2] + "ms" + m[3] + rest[len(m[0]):]
	}
	return prefix + name + rest, nil
}
