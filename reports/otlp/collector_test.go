package otlp

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	traces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	pb "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collected is what a collector took.
type collected struct {
	traces.UnimplementedTraceServiceServer
	mu       sync.Mutex
	spans    []*pb.Span
	resource map[string]string
	header   string // X-Key
}

func (c *collected) take(r *traces.ExportTraceServiceRequest, header string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.header, c.resource = header, make(map[string]string)
	for _, rs := range r.ResourceSpans {
		for _, a := range rs.Resource.Attributes {
			c.resource[a.Key] = a.Value.GetStringValue()
		}
		for _, ss := range rs.ScopeSpans {
			c.spans = append(c.spans, ss.Spans...)
		}
	}
}

func (c *collected) Export(ctx context.Context, r *traces.ExportTraceServiceRequest) (*traces.ExportTraceServiceResponse, error) {
	header := ""
	if md, _ := metadata.FromIncomingContext(ctx); len(md.Get("x-key")) > 0 {
		header = md.Get("x-key")[0]
	}
	c.take(r, header)
	return &traces.ExportTraceServiceResponse{}, nil
}

func (c *collected) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var m traces.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &m); err != nil || r.URL.Path != "/v1/traces" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.take(&m, r.Header.Get("X-Key"))
}

// honest starts a collector that speaks the protocol, and names it in the environment.
func honest(t *testing.T, protocol string) *collected {
	c := new(collected)
	if protocol == protocolGRPC {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := grpc.NewServer()
		traces.RegisterTraceServiceServer(server, c)
		var served sync.WaitGroup
		served.Go(func() { _ = server.Serve(l) })
		t.Cleanup(func() {
			server.Stop()
			served.Wait()
		})
		named(t, protocol, "http://"+l.Addr().String())
		return c
	}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	named(t, protocol, server.URL)
	return c
}

// named names a collector in the environment.
func named(t *testing.T, protocol, url string) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=secret")
}
