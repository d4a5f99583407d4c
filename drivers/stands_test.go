package drivers

import "testing"

func TestStands(t *testing.T) {
	for code, want := range map[string]bool{
		CodeCheck: true, CodeMalformed: true, "http_404": true, "http_202": true, "grpc_not_found": true, "kafka_invalid_record": true,
		CodeTimeout: false, CodeRefused: false, CodeReset: false, CodeClosed: false, "http_503": false, "http_429": false, "http_408": false,
		"grpc_unavailable": false, "grpc_deadline_exceeded": false, "kafka_not_leader_or_follower": false, "anything": false,
	} {
		if got := Stands(code); got != want {
			t.Errorf("%s: %t, want %t", code, got, want)
		}
	}
}
