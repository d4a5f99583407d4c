package grpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	_ "google.golang.org/genproto/googleapis/rpc/errdetails" // registers the common details of a status, so that they can be printed
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"wringer/drivers"
	"wringer/drivers/grpc/unary"
)

// decide sets the outcome of a call. A status is the target's answer only if it came over the wire. gRPC makes
// statuses of its own with the same codes, and some of those codes mean "rejected".
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
		d.failUnsent(at, d.unsentCode(ctx, s), s.Message())
	case proxyCode(s) != "":
		decideByProxy(ctx, proxyCode(s), s.Message(), at)
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

// decideByProxy sets the outcome of a call that a proxy answered with an HTTP status. It is that of the status's gRPC code.
func decideByProxy(ctx context.Context, code, text string, at *drivers.Attempt) {
	meant := drivers.ProxiedCode(code)
	outcome := drivers.Indeterminate
	for _, m := range meanings {
		if m.code == meant {
			outcome = m.outcome
		}
	}
	if at.Answered = outcome == drivers.Rejected || !expired(ctx); !at.Answered {
		code = drivers.CodeTimeout
	}
	at.Fail(outcome, code, text)
}

const proxyWords = "unexpected HTTP status code received from server: "

// proxyCode is the code of a status that gRPC made of a proxy's HTTP status, as http_503; otherwise "".
func proxyCode(s *status.Status) string {
	rest, ok := strings.CutPrefix(s.Message(), proxyWords)
	if !ok || len(rest) < 3 {
		return ""
	}
	n, err := strconv.Atoi(rest[:3])
	if err != nil {
		return ""
	}
	return unary.ProxyCode(n)
}

// expired reports whether the attempt's deadline has passed. The target has the same deadline. A hanging handler then
// ends with DEADLINE_EXCEEDED, CANCELLED or another status. Whether that status or our own timer comes first is
// chance. Neither is an answer in time.
func expired(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && !time.Now().Before(deadline)
}

// doubt turns a rejection into indeterminate if the client library had sent the request before. The last answer says
// nothing about the earlier transmission. Transparent retries do not count: the target did not process the
// transmission before them.
func (c *call) doubt(at *drivers.Attempt) {
	if at.Outcome == drivers.Rejected && at.Hidden > at.Transparent {
		at.Outcome = drivers.Indeterminate
	}
}

// evidence is the text of a status with its details.
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

// meanings is the table of outcomes by status.
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

// ownCodes lists the codes of gRPC.
func ownCodes() []string {
	all := []string{codeEarly, codeLost}
	for _, m := range meanings {
		all = append(all, m.code)
	}
	slices.Sort(all)
	return all
}

// failUnsent ends an attempt that had no connection.
func (d *driver) failUnsent(at *drivers.Attempt, code, detail string) {
	switch {
	case code == drivers.CodeTimeout && d.secure:
		detail = "the dial, or the TLS handshake, did not end in time: " + detail
	case code == drivers.CodeTimeout:
		detail = "the dial did not end in time: " + detail
	}
	at.Fail(drivers.Rejected, code, detail)
}

// unsentCode is the code of a failed connection. Nothing was sent, so the call had no effect, whatever gRPC reports.
func (d *driver) unsentCode(ctx context.Context, s *status.Status) string {
	if errors.Is(ctx.Err(), context.Canceled) {
		return drivers.CodeCancelled
	}
	var name *net.DNSError
	last := d.dialled.Load()
	switch {
	case last != nil && errors.As(last.err, &name):
		return drivers.CodeDNS
	case last != nil && drivers.IsTimeout(last.err), errors.Is(ctx.Err(), context.DeadlineExceeded) && (last == nil || last.err == nil):
		return drivers.CodeTimeout // of the dial or of the TLS handshake
	case strings.Contains(s.Message(), "authentication handshake failed"):
		if strings.Contains(s.Message(), "deadline exceeded") || strings.Contains(s.Message(), "i/o timeout") {
			return drivers.CodeTimeout
		}
		return drivers.CodeTLS
	}
	return drivers.CodeRefused
}

// madeHere returns the code of a status that gRPC made here because it could not use the answer; otherwise "".
// Targets send statuses with the same texts about a request. Those are bare statuses, without headers before them.
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

// ownWords reports whether gRPC may have made the status here, from a reset. Some of these codes mean "rejected". A status that the target sends after its end, against the protocol, looks like the
// answer. For such statuses a rejection is not certain, so it becomes indeterminate.
func ownWords(s *status.Status) bool {
	return strings.HasPrefix(s.Message(), "stream terminated by RST_STREAM")
}

// unansweredCode is the code of a call that was sent and got no status. gRPC gives the reason only as text.
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
