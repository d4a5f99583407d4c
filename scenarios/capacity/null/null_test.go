package null

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"

	"wringer/drivers"
)

func dialer(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

// started is a null target of HTTP without TLS, and the way to it.
func started(t *testing.T) drivers.DialFunc {
	t.Helper()
	return begun(t, func() (*Target, error) { return HTTP(nil) })
}

// begun is a null target and the way to it.
func begun(t *testing.T, start func() (*Target, error)) drivers.DialFunc {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	target, err := start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := target.Close(); err != nil {
			t.Error(err)
		}
		goleak.VerifyNone(t, ignore)
	})
	return target.Through(dialer, nil)
}

// Bodies of every kind are read to their ends: the next request on the connection is answered too.
func TestHTTP1(t *testing.T) {
	transport := &http.Transport{DialContext: started(t), MaxConnsPerHost: 1, ExpectContinueTimeout: time.Minute}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport}
	for name, body := range map[string]io.Reader{
		"none": nil, "length": strings.NewReader("abc"), "chunked": io.MultiReader(strings.NewReader("abc"), strings.NewReader("def")), "long": bytes.NewReader(make([]byte, 100_000)),
	} {
		for _, method := range []string{"GET", "POST", "HEAD"} {
			req, err := http.NewRequest(method, "http://orders.invalid/", body)
			if err != nil {
				t.Fatal(err)
			}
			if name == "long" && method == "POST" {
				req.Header.Set("Expect", "100-continue")
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatalf("%s %s: %v", method, name, err)
			}
			text, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != 200 || string(text) != map[bool]string{true: "", false: drivers.NullAnswer}[method == "HEAD"] {
				t.Errorf("%s %s: %d %q, %v", method, name, resp.StatusCode, text, err)
			}
		}
	}
}

func TestHTTP2(t *testing.T) {
	dial := started(t)
	transport := &http.Transport{Protocols: plainHTTP2(), DialContext: dial}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Post("http://orders.invalid/", "text/plain", strings.NewReader("abc"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 || string(text) != drivers.NullAnswer {
		t.Errorf("%d %q, %v", resp.StatusCode, text, err)
	}
}

func TestGRPC(t *testing.T) {
	dial := started(t)
	conn, err := grpc.NewClient("passthrough:///stock.invalid:1", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) { return dial(ctx, "tcp", address) }))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 3 {
		if err := conn.Invoke(t.Context(), "/shop.v1.Inventory/Reserve", &emptypb.Empty{}, &emptypb.Empty{}); err != nil {
			t.Error(err)
		}
	}
}

// A connection that speaks TLS is closed: nothing waits for an answer.
func TestTLSIsClosed(t *testing.T) {
	conn, err := started(t)(t.Context(), "tcp", "orders.invalid:443")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := tls.Client(conn, &tls.Config{ServerName: "orders.invalid"}).Handshake(); err == nil {
		t.Error("a handshake was answered")
	}
}
