package grpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	_ "google.golang.org/genproto/googleapis/rpc/errdetails" // the common details of a status, so that they can be read
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"wringer/drivers"
)

// decide sets the outcome of a call. A status is the target's word only when it came over the wire: gRPC makes statuses
// of its own too, with the same codes, and some of those codes mean "rejected".
func (d *driver) decide(ctx context.Context, c *call, r *reply, err error, at *drivers.Attempt) {
	s := status.Convert(err)
	defer c.doubt(at)
	switch {
	case err == nil && r.err != nil:
		at.Answered = true
		at.Fail(drivers.Indeterminate, drivers.CodeMalformed, "OK with a message that does not decode: "+r.err.Error())
	case err == nil:
		at.Answered = true
		at.Outcome = drivers.Acked
	case !at.Wire:
		at.Fail(drivers.Rejected, d.unsentCode(ctx, s), s.Message())
	case madeHere(c, s) != "":
		at.Fail(drivers.Indeterminate, madeHere(c, s), s.Message())
	case c.answered.Load():
		if decideByStatus(ctx, s, at); at.Outcome == drivers.Rejected && ownWords(s) {
			at.Outcome = drivers.Indeterminate
		}
	default:
		at.Fail(drivers.Indeterminate, unansweredCode(ctx, s), s.Message())
	}
}

// decideByStatus sets the outcome of a call that the target ended with a status other than OK.
func decideByStatus(ctx context.Context, s *status.Status, at *drivers.Attempt) {
	meaning := meanings[s.Code()]
	if meaning.code == "" {
		meaning = meanings[codes.Unknown]
	}
	if at.Answered = meaning.outcome == drivers.Rejected || !expired(ctx); !at.Answered {
		meaning.code = drivers.CodeTimeout
	}
	at.Fail(meaning.outcome, meaning.code, evidence(s))
}

// expired says that the attempt's time is up. The target keeps the same deadline, and a handler that hangs then ends with
// DEADLINE_EXCEEDED, CANCELLED or whatever it makes of it: whether that or our own timer is heard first is chance, and neither
// is an answer that came in time.
func expired(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && !time.Now().Before(deadline)
}

// doubt takes back that nothing took effect, where the client library had sent the request before: of what became of that
// transmission the last answer says nothing. Transparent retries follow what the target surely did not look at.
func (c *call) doubt(at *drivers.Attempt) {
	if at.Outcome == drivers.Rejected && at.Hidden > at.Transparent {
		at.Outcome = drivers.Indeterminate
	}
}

// evidence writes a status down with its details.
func evidence(s *status.Status) string {
	parts := []string{s.Message()}
	for i, detail := range s.Details() {
		switch d := detail.(type) {
		case proto.Message:
			// The library varies its spaces on purpose.
			text := strings.Join(strings.Fields(prototext.MarshalOptions{}.Format(d)), " ")
			parts = append(parts, fmt.Sprintf("%s{%s}", d.ProtoReflect().Descriptor().Name(), text))
		default:
			any := s.Proto().GetDetails()[i]
			parts = append(parts, fmt.Sprintf("%s (%d bytes)", any.MessageName(), len(any.GetValue())))
		}
	}
	return strings.Join(parts, "; ")
}

// meanings is the outcome table of the design.
var meanings = map[codes.Code]struct {
	code    string
	outcome drivers.Outcome
}{
	codes.InvalidArgument:    {"grpc_invalid_argument", drivers.Rejected},
	codes.NotFound:           {"grpc_not_found", drivers.Rejected},
	codes.AlreadyExists:      {"grpc_already_exists", drivers.Rejected},
	codes.PermissionDenied:   {"grpc_permission_denied", drivers.Rejected},
	codes.Unauthenticated:    {"grpc_unauthenticated", drivers.Rejected},
	codes.FailedPrecondition: {"grpc_failed_precondition", drivers.Rejected},
	codes.OutOfRange:         {"grpc_out_of_range", drivers.Rejected},
	codes.Unimplemented:      {"grpc_unimplemented", drivers.Rejected},
	codes.ResourceExhausted:  {"grpc_resource_exhausted", drivers.Rejected},
	codes.Unknown:            {"grpc_unknown", drivers.Indeterminate},
	codes.Internal:           {"grpc_internal", drivers.Indeterminate},
	codes.Unavailable:        {"grpc_unavailable", drivers.Indeterminate},
	codes.Aborted:            {"grpc_aborted", drivers.Indeterminate},
	codes.Canceled:           {"grpc_cancelled", drivers.Indeterminate},
	codes.DeadlineExceeded:   {"grpc_deadline_exceeded", drivers.Indeterminate},
	codes.DataLoss:           {"grpc_data_loss", drivers.Indeterminate},
}

// unsentCode tells why no connection could be made. Nothing left, so whatever gRPC says, it had no effect.
func (d *driver) unsentCode(ctx context.Context, s *status.Status) string {
	if errors.Is(ctx.Err(), context.Canceled) {
		return drivers.CodeCancelled
	}
	var name *net.DNSError
	last := d.dialled.Load()
	switch {
	case last != nil && errors.As(last.err, &name):
		return drivers.CodeDNS
	case strings.Contains(s.Message(), "authentication handshake failed"):
		return drivers.CodeTLS
	}
	return drivers.CodeRefused
}

// madeHere returns the code of a status that gRPC made here of an answer that it could not use, or nothing. Targets send
// statuses of the same words about a request; those are bare statuses, without headers before them.
func madeHere(c *call, s *status.Status) string {
	text := s.Message()
	if s.Code() == codes.Internal && strings.HasPrefix(text, "cardinality violation") {
		return drivers.CodeMalformed // OK without a message, or with two
	}
	if !c.header.Load() || !strings.HasPrefix(text, "grpc: ") {
		return ""
	}
	switch s.Code() {
	case codes.ResourceExhausted:
		return drivers.CodeTooLarge
	case codes.Internal, codes.Unimplemented:
		return drivers.CodeMalformed
	}
	return ""
}

// ownWords says that gRPC may have made a status here, of a proxy's HTTP status or a reset: some of those codes mean "rejected". A
// status that the target sends behind that, against the protocol, looks like the answer. Targets that pass on such a status of
// theirs lose the certainty of a rejection, and no more.
func ownWords(s *status.Status) bool {
	return strings.HasPrefix(s.Message(), "unexpected HTTP status code received from server") ||
		strings.HasPrefix(s.Message(), "stream terminated by RST_STREAM")
}

// unansweredCode tells what became of a call that left, and that no status answered. gRPC has but words for it.
func unansweredCode(ctx context.Context, s *status.Status) string {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return drivers.CodeCancelled
	case ctx.Err() != nil || s.Code() == codes.DeadlineExceeded:
		return drivers.CodeTimeout
	}
	text := s.Message()
	for _, known := range endings {
		if strings.Contains(text, known.words) {
			return known.code
		}
	}
	return drivers.CodeMalformed
}

var endings = []struct{ words, code string }{
	{"header list size exceeded", drivers.CodeTooLarge},
	{"RST_STREAM", drivers.CodeReset},
	{"connection reset", drivers.CodeReset},
	{"broken pipe", drivers.CodeReset},
	{"without sending trailers", drivers.CodeClosed},
	{"EOF", drivers.CodeClosed},
	{"use of closed network connection", drivers.CodeClosed},
	{"is closing", drivers.CodeClosed},
	{"GOAWAY", drivers.CodeClosed},
	{"keepalive ping failed", drivers.CodeClosed},
	{"connection is draining", drivers.CodeClosed},
}
