package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"wringer/drivers"
	"wringer/drivers/drivertest"
	"wringer/reports"
)

// retiring is an HTTP/2 target that retires each connection, in good order, once the connection has taken some requests. It
// sends GOAWAY, answers the requests taken, and refuses later ones. It counts for itself.
type retiring struct {
	each   int  // requests taken by a connection
	closes bool // it closes its side at once after the last answer; otherwise the client closes

	mu      sync.Mutex
	taken   map[string]int // by mark
	turned  map[string]int
	retired int
	server  *drivertest.RawServer
}

func startRetiring(t *testing.T, each int, closes bool) *retiring {
	r := &retiring{each: each, closes: closes, taken: map[string]int{}, turned: map[string]int{}}
	r.server = drivertest.ServeRaw(t, r.serve)
	return r
}

// serve reads frames until the client closes, so that it counts everything that reached the socket.
func (r *retiring) serve(c *drivertest.RawConn) {
	if !c.Skip(len(http2.ClientPreface)) {
		return
	}
	f := http2.NewFramer(c, c)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	f.WriteSettings()
	open, taken := map[uint32]bool{}, 0
	finish := func(stream uint32) {
		answer(f, stream)
		if delete(open, stream); r.closes && taken >= r.each && len(open) == 0 {
			c.HalfClose()
		}
	}
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				f.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !frame.IsAck() {
				f.WritePing(true, frame.Data)
			}
		case *http2.MetaHeadersFrame:
			mark := field(frame, strings.ToLower(drivers.MarkHeader))
			if taken++; taken > r.each {
				r.count(r.turned, mark)
				continue
			}
			r.count(r.taken, mark)
			if open[frame.StreamID] = true; taken == r.each {
				f.WriteGoAway(frame.StreamID, http2.ErrCodeNo, nil)
				r.mu.Lock()
				r.retired++
				r.mu.Unlock()
			}
			if frame.StreamEnded() {
				finish(frame.StreamID)
			}
		case *http2.DataFrame:
			if frame.StreamEnded() && open[frame.StreamID] {
				finish(frame.StreamID)
			}
		}
	}
}

func (r *retiring) count(in map[string]int, mark string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	in[mark]++
}

func field(f *http2.MetaHeadersFrame, name string) string {
	for _, h := range f.Fields {
		if h.Name == name {
			return h.Value
		}
	}
	return ""
}

// answer is good for HTTP and for gRPC.
func answer(f *http2.Framer, stream uint32) {
	var b bytes.Buffer
	block := func(pairs ...string) []byte {
		b.Reset()
		e := hpack.NewEncoder(&b)
		for i := 0; i < len(pairs); i += 2 {
			e.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
		}
		return b.Bytes()
	}
	f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, EndHeaders: true, BlockFragment: block(":status", "200", "content-type", "application/grpc")})
	f.WriteData(stream, false, make([]byte, 5)) // the empty message
	f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, EndHeaders: true, EndStream: true, BlockFragment: block("grpc-status", "0")})
}

const retiringScenario = `name: retiring
seed: 1
run: {duration: 2s, drain: 100ms}
traffic:
  frames:
    rest: {request: POST http://%[1]s/frames, body: "{{id}}", http2: true}
    users: 8
    think: 1ms
    witness: true
  calls:
    grpc: {target: "%[1]s", method: t.Service/Call, protos: [t.proto]}
    users: 8
    think: 1ms
    witness: true
expect:
  - frames.errors == 0
  - calls.errors == 0
  - frames.hidden_arrivals == 0
  - calls.hidden_arrivals == 0
`

const retiringProto = `syntax = "proto3"; package t; message M {} service Service { rpc Call(M) returns (M); }`

// TestRetiredConnections: a target that retires its connections costs no operation. Every request that reached its socket is
// exactly one arrival, refused requests included. Not arrived is at most the number of refused ones: requests that the client
// had begun when it heard of the end, and could not send.
func TestRetiredConnections(t *testing.T) {
	several(t)
	for _, closes := range []bool{false, true} {
		t.Run(fmt.Sprintf("closes %t", closes), func(t *testing.T) {
			checkedScenario(t, usual)
			target := startRetiring(t, 20, closes)
			dir := t.TempDir()
			for name, text := range map[string]string{"retiring.yaml": fmt.Sprintf(retiringScenario, target.server.Address()), "t.proto": retiringProto} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			record := filepath.Join(dir, "record")
			code, stdout, stderr := wringer(t, "run", "--quiet", "--out", record, filepath.Join(dir, "retiring.yaml"))
			if code != reports.ExitPass && code != reports.ExitInconclusive { // a busy machine
				t.Fatalf("exit %d:\n%s%s", code, stdout, stderr)
			}
			target.server.Wait() // for the connections, which the clients end
			run := loadRecord(t, record).Run
			for _, stream := range []string{"frames", "calls"} {
				target.agrees(t, stream, &run.Streams[stream].Total)
			}
		})
	}
}

// agrees compares a stream's record with the target's own account.
func (r *retiring) agrees(t *testing.T, stream string, m *reports.Measures) {
	t.Helper()
	taken, turned := r.of(stream)
	w := m.Witness
	t.Logf("%s: %d sent, %d arrived, %d of them turned away, %d not arrived", stream, *w.AttemptsSent, *w.Arrivals, turned, *w.NotArrived)
	switch {
	case taken != m.Offered || turned == 0:
		t.Errorf("%s: %d operations; %d were taken and %d turned away", stream, m.Offered, taken, turned)
	case *w.Arrivals != taken+turned:
		t.Errorf("%s: %d arrivals, the target has read %d", stream, *w.Arrivals, taken+turned)
	case *w.AttemptsSent != *w.Arrivals+*w.NotArrived:
		t.Errorf("%s: %d sent, %d arrived and %d did not", stream, *w.AttemptsSent, *w.Arrivals, *w.NotArrived)
	case *w.NotArrived > m.TransparentRetries-turned:
		t.Errorf("%s: %d not arrived, of %d that were sent again after %d had been turned away", stream, *w.NotArrived, m.TransparentRetries, turned)
	}
}

// of counts the requests of a stream.
func (r *retiring) of(stream string) (taken, turned int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for mark, n := range r.taken {
		if strings.Contains(mark, "."+stream+".") {
			taken += int64(n)
		}
	}
	for mark, n := range r.turned {
		if strings.Contains(mark, "."+stream+".") {
			turned += int64(n)
		}
	}
	return taken, turned
}
