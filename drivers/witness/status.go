package witness

import "strconv"

// grpcCodes are the names of gRPC's statuses, as the codes of attempts have them.
var grpcCodes = [...]string{
	"ok", "canceled", "unknown", "invalid_argument", "deadline_exceeded", "not_found", "already_exists", "permission_denied",
	"resource_exhausted", "failed_precondition", "aborted", "out_of_range", "unimplemented", "internal", "unavailable", "data_loss",
	"unauthenticated",
}

// grpcStatus is the status in words; empty when the text is none.
func grpcStatus(text string) string {
	if n, err := strconv.Atoi(text); err == nil && n >= 0 && n < len(grpcCodes) {
		return "grpc_" + grpcCodes[n]
	}
	return ""
}

// httpStatuses are the texts of usual statuses, so that none is made for each answer.
var httpStatuses = func() (all [600]string) {
	for n := range all {
		all[n] = strconv.Itoa(n)
	}
	return all
}()

// httpStatus is a status of three digits in words.
func httpStatus(n int) string {
	if n < len(httpStatuses) {
		return httpStatuses[n]
	}
	return strconv.Itoa(n)
}
