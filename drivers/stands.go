package drivers

import (
	"slices"
	"strings"
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

// slow are the HTTP statuses below 500 with which a server says that it was too slow or too busy.
var slow = []string{"http_408", "http_425", "http_429"}

// Stands reports whether a failure of that code stands, however little CPU the target got: a wrong answer, a broken one, or a
// refusal of the operation itself. A server that is starved times out, hangs up, and answers 5xx.
func Stands(code string) bool {
	if status, ok := strings.CutPrefix(code, "http_"); ok {
		return !strings.HasPrefix(status, "5") && !slices.Contains(slow, code)
	}
	return slices.Contains(standing, code)
}
