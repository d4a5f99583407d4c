package amqp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"syscall"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers"
	"wringer/drivers/tlsconfig"
)

const (
	codeNack    = "amqp_nack"
	codeBlocked = "amqp_blocked" // the message waited while the broker took none
)

// replyNames names the codes with which a broker returns a message, or closes a channel or a connection.
var replyNames = map[int]string{
	library.ContentTooLarge: "content_too_large", library.NoRoute: "no_route", library.NoConsumers: "no_consumers",
	library.ConnectionForced: "connection_forced", library.InvalidPath: "invalid_path", library.AccessRefused: "access_refused",
	library.NotFound: "not_found", library.ResourceLocked: "resource_locked", library.PreconditionFailed: "precondition_failed",
	library.FrameError: "frame_error", library.SyntaxError: "syntax_error", library.CommandInvalid: "command_invalid",
	library.ChannelError: "channel_error", library.UnexpectedFrame: "unexpected_frame", library.ResourceError: "resource_error",
	library.NotAllowed: "not_allowed", library.NotImplemented: "not_implemented", library.InternalError: "internal_error",
}

// replyCode is the short code of a broker's reply: amqp_not_found.
func replyCode(code int) string {
	if name := replyNames[code]; name != "" {
		return "amqp_" + name
	}
	return fmt.Sprintf("amqp_%d", code)
}

// ownCodes lists the codes of brokers' replies, and those of confirms.
func ownCodes() []string {
	all := []string{codeNack, codeBlocked}
	for code := range replyNames {
		all = append(all, replyCode(code))
	}
	slices.Sort(all)
	return all
}

// ending is why an epoch or a connection is over.
type ending struct {
	code, detail string
	// publishRefused: the broker closed the channel because of a publish. Of the publishes that await their confirms the last was
	// surely not taken: it is the one that was refused, or came after it.
	publishRefused bool
}

// closedBy is the ending that a broker's close names.
func closedBy(code uint16, text []byte, method uint32) ending {
	e := ending{code: replyCode(int(code)), detail: fmt.Sprintf("%d %s", code, text)}
	switch code {
	case library.NotFound, library.AccessRefused, library.PreconditionFailed, library.ContentTooLarge:
		e.publishRefused = method == basicPublish
	}
	return e
}

// brokenBy is the ending by an error of the network or of the protocol.
func brokenBy(err error) ending {
	return ending{code: codeOf(err), detail: err.Error()}
}

// libraryEnded is the ending of a connection that the library closed by itself. The connection's own errors are known before the
// library reports them, so what is left is an answer that the library cannot read. why is nil after a farewell.
func libraryEnded(why *library.Error) ending {
	if why == nil {
		return ending{code: drivers.CodeClosed, detail: "the connection was closed"}
	}
	return ending{code: drivers.CodeMalformed, detail: why.Reason}
}

// codeOf is the short code of an error.
func codeOf(err error) string {
	var dns *net.DNSError
	var broker *library.Error
	switch {
	case errors.Is(err, errMalformed):
		return drivers.CodeMalformed
	case errors.Is(err, errTooLarge):
		return drivers.CodeTooLarge
	case errors.As(err, &broker) && broker.Server:
		return replyCode(broker.Code)
	case errors.Is(err, tlsconfig.ErrHandshake) && !drivers.IsTimeout(err):
		return drivers.CodeTLS
	case errors.As(err, &dns):
		return drivers.CodeDNS
	case errors.Is(err, syscall.ECONNREFUSED):
		return drivers.CodeRefused
	case isReset(err):
		return drivers.CodeReset
	case drivers.IsTimeout(err), errors.Is(err, os.ErrDeadlineExceeded):
		return drivers.CodeTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, library.ErrClosed):
		return drivers.CodeClosed
	case errors.Is(err, context.Canceled):
		return drivers.CodeCancelled
	}
	return drivers.CodeClosed
}

// neverLeft sets the outcome of an attempt whose message was not sent and never will be. why is the reason why there is no way to
// the broker; nil if there is one.
func neverLeft(at *drivers.Attempt, why error) {
	code, detail := drivers.CodeRefused, "the message never left the client: it could not be sent in time"
	if why != nil {
		detail = "the message never left the client: " + why.Error()
		switch is := codeOf(why); {
		case is == drivers.CodeDNS, is == drivers.CodeTLS, is == drivers.CodeTimeout, refusedBy(why):
			code = is
		}
	}
	at.Fail(drivers.Rejected, code, detail)
}

// unanswered sets the outcome of an attempt whose message was sent, and whose confirm did not come.
func (p *publish) unanswered(code, detail string) {
	p.at.Wire, p.at.Sent = true, p.sent
	p.at.Fail(drivers.Indeterminate, code, detail)
}

// answered sets the outcome that a broker's answer means.
func (p *publish) answered(o drivers.Outcome, code, detail string) {
	p.at.Wire, p.at.Answered, p.at.Sent = true, true, p.sent
	if o == drivers.Acked {
		p.at.Outcome = o
		return
	}
	p.at.Fail(o, code, detail)
}
