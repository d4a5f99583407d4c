package traffic

import (
	"testing"

	"wringer/drivers"
	"wringer/scenarios"
)

// A policy that names grpc_unavailable takes the HTTP statuses of proxies that mean it.
func TestRetriesOfProxies(t *testing.T) {
	for code, want := range map[string]bool{
		"grpc_unavailable": true, "http_429": true, "http_502": true, "http_503": true, "http_504": true,
		"http_404": false, "http_500": false, "malformed": false,
	} {
		p := &policy{retry: &scenarios.Retry{Attempts: 3, On: []string{"grpc_unavailable"}}}
		if got := p.retriable(&drivers.Attempt{Outcome: drivers.Indeterminate, Code: code}); got != want {
			t.Errorf("%s: %v", code, got)
		}
	}
}
