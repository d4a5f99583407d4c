package extending

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"wringer/drivers"
)

// LineConfig is the `line:` part of a stream: a service that takes one line a request, and answers with one.
type LineConfig struct {
	Address string `yaml:"address" jsonschema:"required" jsonschema_description:"host:port of the service."`
}

// Check implements drivers.Config.
func (c *LineConfig) Check(problem func(field, message string)) {
	if !strings.Contains(c.Address, ":") {
		problem("address", "must be host:port, as in 127.0.0.1:7000")
	}
}

// Describe implements drivers.Config: the place that the stream sends to, for reports and wringer check.
func (c *LineConfig) Describe() drivers.Description { return drivers.Description{Place: c.Address} }

// Open implements drivers.Config. It dials nothing: the first attempt does.
func (c *LineConfig) Open(_ context.Context, env drivers.Env) (drivers.Driver, error) {
	return &lineDriver{env: env, address: c.Address}, nil
}

type lineDriver struct {
	env     drivers.Env
	address string
}

// Session implements drivers.Driver.
func (d *lineDriver) Session() (drivers.Session, error) { return &lineSession{driver: d}, nil }

// Close implements drivers.Driver.
func (d *lineDriver) Close() error { return nil }

// lineSession makes attempts over one connection, and dials again after a failure.
type lineSession struct {
	driver  *lineDriver
	conn    net.Conn // nil: the next attempt dials
	in      *bufio.Reader
	request []byte
}

// longestLine bounds an answer.
const longestLine = 256

// Do implements drivers.Session.
func (s *lineSession) Do(ctx context.Context, op *drivers.Op, at *drivers.Attempt) {
	env := &s.driver.env
	if err := s.connect(ctx); err != nil {
		at.Fail(drivers.Rejected, unsentCode(ctx, err), err.Error()) // nothing left, so nothing took effect
		return
	}
	conn := s.conn
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	// Cancelling the context ends a blocked read.
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	s.request = append(env.Identity.Append(append(s.request[:0], "PUT "...), op.Seq), '\n')
	at.Sent, at.Wire = env.Clock(), true // before the write: never later than the real send
	line, err := s.exchange()
	at.Done = env.Clock()
	if err != nil || !stop() {
		s.Close() // a late answer would be taken for the next one
	}
	if err != nil {
		at.Fail(drivers.Indeterminate, unansweredCode(ctx, err), err.Error())
		return
	}
	judge(line, at)
}

// judge sets the outcome of an attempt whose answer came whole.
func judge(line string, at *drivers.Attempt) {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "OK":
		at.Outcome, at.Answered = drivers.Acked, true
	case "NO": // refused before anything was done
		at.Answered = true
		at.Fail(drivers.Rejected, "line_no", rest)
	case "ERR": // something went wrong, before or after the operation took effect
		at.Answered = true
		at.Fail(drivers.Indeterminate, "line_err", rest)
	default:
		at.Fail(drivers.Indeterminate, drivers.CodeMalformed, "an answer begins with OK, NO or ERR")
	}
}

// connect dials by env.Dial, which is the stream's link where it has one.
func (s *lineSession) connect(ctx context.Context) error {
	if err := ctx.Err(); err != nil || s.conn != nil {
		return err
	}
	conn, err := s.driver.env.Dial(ctx, "tcp", s.driver.address)
	if err != nil {
		return err
	}
	s.conn, s.in = conn, bufio.NewReaderSize(conn, longestLine)
	return nil
}

// exchange writes the request and reads the answer.
func (s *lineSession) exchange() (string, error) {
	if _, err := s.conn.Write(s.request); err != nil {
		return "", err
	}
	line, err := s.in.ReadSlice('\n')
	return strings.TrimSpace(string(line)), err
}

// Close implements drivers.Session.
func (s *lineSession) Close() error {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
	return nil
}

// unsentCode tells why there was no connection.
func unsentCode(ctx context.Context, err error) string {
	var name *net.DNSError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return drivers.CodeCancelled
	case errors.As(err, &name):
		return drivers.CodeDNS
	}
	return drivers.CodeRefused
}

// unansweredCode tells what became of a request that left.
func unansweredCode(ctx context.Context, err error) string {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return drivers.CodeCancelled
	case errors.Is(err, os.ErrDeadlineExceeded):
		return drivers.CodeTimeout
	case errors.Is(err, bufio.ErrBufferFull):
		return drivers.CodeTooLarge
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return drivers.CodeReset
	}
	return drivers.CodeClosed
}
