package drivers

import (
	"slices"
	"strings"
	"time"
)

// standing are codes of failures that no want of CPU explains: the answer was wrong, or the operation itself was refused.
var standing = []string{
	CodeCheck, CodeMalformed, CodeTooLarge, CodeDNS, "message",
	"grpc_invalid_argument", "grpc_not_found", "grpc_already_exists", "grpc_permission_denied", "grpc_unauthenticated",
	"grpc_failed_precondition", "grpc_out_of_range", "grpc_unimplemented", "grpc_data_loss", "grpc_early", "grpc_messages_lost",
	"kafka_client", "kafka_corrupt_message", "kafka_message_too_large", "kafka_record_list_too_large", "kafka_invalid_topic_exception",
	"kafka_invalid_required_acks", "kafka_invalid_record", "kafka_invalid_timestamp", "kafka_invalid_request", "kafka_policy_violation",
	"kafka_topic_authorization_failed", "kafka_cluster_authorization_failed", "kafka_transactional_id_authorization_failed",
	"kafka_unsupported_version", "kafka_unsupported_for_message_format", "kafka_unsupported_compression_type",
}

// timed are the codes of answers that time makes: time ran out, something behind the target was away, or too much came at once. A
// circuit breaker that opened for want of CPU gives such answers at once. A limit on the rate is passed where requests that waited for a
// CPU arrive together.
var timed = []string{
	"http_408", "http_429", "http_502", "http_503", "http_504", "grpc_unavailable", "grpc_deadline_exceeded", "grpc_cancelled",
	"grpc_resource_exhausted", "kafka_throttling_quota_exceeded",
}

// atOnce bounds how long an answer takes that no want of CPU can have made: what is starved answers late.
const atOnce = 100 * time.Millisecond

// Stands reports whether the failure of an attempt stands, however little CPU the target got: a wrong answer, a broken one, a
// refusal of the operation itself, or any other answer that came at once. A server that is starved times out, hangs up, or says
// that it or something behind it was too slow or away, or that too much came at once. Of Kafka only what refuses the records stands: brokers lead
// and follow by time.
func (a *Attempt) Stands() bool {
	switch status, isHTTP := strings.CutPrefix(a.Code, "http_"); {
	case a.Outcome == Acked || slices.Contains(timed, a.Code):
		return false
	case slices.Contains(standing, a.Code):
		return true
	case isHTTP && !strings.HasPrefix(status, "5"):
		return true
	}
	return a.Answered && !strings.HasPrefix(a.Code, "kafka_") && a.took() < atOnce
}

// StandsBunched reports whether the failure of an attempt stands although the load generator sent operations late, and so in a bunch. A target
// may refuse a bunch at once, in whatever words for its own failure: a limit on the rate, a full queue, a pool without a connection. Wrong
// answers and refusals of the operation itself stand.
func (a *Attempt) StandsBunched() bool { return a.Outcome != Acked && StandsBunched(a.Code) }

// StandsBunched reports whether a failure of that code stands although operations were sent in a bunch.
func StandsBunched(code string) bool {
	status, isHTTP := strings.CutPrefix(code, "http_")
	return slices.Contains(standing, code) || isHTTP && !strings.HasPrefix(status, "5") && !slices.Contains(timed, code)
}

// took is the time of the attempt's last request.
func (a *Attempt) took() time.Duration {
	if a.Steps != nil && len(*a.Steps) > 0 {
		last := (*a.Steps)[len(*a.Steps)-1]
		return last.Done - last.Sent
	}
	return a.Done - max(a.Sent, a.Begun)
}
