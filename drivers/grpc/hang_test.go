package grpc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"

	"wringer/drivers"
)

// A dial, or a TLS handshake, that hangs is a time-out; one that fails is not.
func TestConnectionsThatHang(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{context.DeadlineExceeded, drivers.CodeTimeout},
		{&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, drivers.CodeTimeout},
		{fmt.Errorf("%w: %w", errHandshake, context.DeadlineExceeded), drivers.CodeTimeout},
		{fmt.Errorf("%w: %w", errHandshake, tls.RecordHeaderError{Msg: "no TLS"}), drivers.CodeTLS},
		{errors.New("connection refused"), drivers.CodeRefused},
	} {
		if got := unsent(t.Context(), c.err); got != c.want {
			t.Errorf("%v: %s, want %s", c.err, got, c.want)
		}
	}
}
