package witness

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"wringer/drivers"
)

// register is an account of requests on a link. It checks that each comes in order and once.
type register struct {
	t     testing.TB
	mu    sync.Mutex
	open  map[*drivers.Request]bool // identified
	over  []string
	came  int
	blind []string
}

func newRegister(t testing.TB) *register {
	return &register{t: t, open: make(map[*drivers.Request]bool)}
}

func (g *register) Arrived(r *drivers.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, known := g.open[r]; known || r.Kind == "" || r.Conn == 0 {
		g.t.Errorf("%+v arrived, known before: %v", *r, known)
	}
	g.came++
	g.open[r], r.To = false, g
}

func (g *register) Identified(r *drivers.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if done, known := g.open[r]; done || !known {
		g.t.Errorf("%+v is identified, known %v, before %v", *r, known, done)
	}
	g.open[r] = true
}

func (g *register) Over(r *drivers.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.open[r] {
		g.t.Errorf("%+v is over and was never identified", *r)
	}
	delete(g.open, r)
	text := r.Kind
	if r.Plain && (len(r.ID) > 0 || len(r.More) > 0) || r.Delivery != (r.Kind == "deliver") {
		g.t.Errorf("%+v", *r)
	}
	more := ""
	for _, id := range r.More {
		more += " id " + string(id)
	}
	for _, part := range []struct {
		is   bool
		text string
	}{{len(r.ID) > 0, " id " + string(r.ID)}, {more != "", more}, {r.Partly, " partly"}, {r.Trace != drivers.TraceID{}, fmt.Sprintf(" trace %x", r.Trace[:2])}, {!r.Whole, " cut"}, {r.Answered, " " + r.Status}} {
		if part.is {
			text += part.text
		}
	}
	g.over = append(g.over, text)
}

func (g *register) Blind(why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.blind = append(g.blind, why)
}

// onLink is a witness of a link, and its account.
func onLink(t testing.TB, place string) (*Witness, *register) {
	t.Helper()
	p, err := ParsePlace(place)
	if err != nil {
		t.Fatal(err)
	}
	g := newRegister(t)
	return OnLink(p, func() drivers.Requests { return g }), g
}

// played is a conversation: lines beginning with > are sent by the caller, those with < by the callee.
type played struct {
	name, place string
	said        []string
	want        []string // each request, once it is over
	blind       string   // the beginning of the reason; empty: everything was read
}

const (
	asksB3    = "GET /a HTTP/1.1\r\nHost: x\r\nb3: 463ac35c9f6413ad48485a3953bb6124-0020000000000001-1\r\n\r\n"
	asksTrace = "GET /a HTTP/1.1\r\nHost: x\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n"
	orderBody = `{"items":[],"order":{"id":"o-7"}}`
)

var conversations = []played{
	{name: "an identity in a header", place: "header X-Request-Id", said: []string{
		">GET /stock/item17?x=1 HTTP/1.1\r\nHost: x\r\nx-request-id: abc\r\n\r\n", "<HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		">GET /stock HTTP/1.1\r\nHost: x\r\n\r\n", "<HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
	}, want: []string{"GET /stock/* id abc 200", "GET /stock 503"}},
	{name: "an identity in a chunked body", place: "$.order.id", said: []string{
		">POST /orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", 10, orderBody[:10], len(orderBody)-10, orderBody[10:]),
		"<HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
	}, want: []string{"POST /orders id o-7 201"}},
	{name: "a body that is cut behind its identity", place: "$.order.id", said: []string{
		">POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n" + orderBody,
	}, want: []string{"POST /orders id o-7 cut"}},
	{name: "a body that is cut within a number", place: "$.id", said: []string{
		">POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"id\":12",
	}, want: []string{"POST /orders cut"}},
	{name: "a whole body that ends with its number", place: "$", said: []string{
		">POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n12", "<HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	}, want: []string{"POST /orders id 12 200"}},
	{name: "a body that is compressed", place: "$.order.id", said: []string{
		">POST /orders HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 33\r\n\r\n" + orderBody,
	}, want: []string{"POST /orders"}},
	protobufBody("a field in a Protobuf message", "field 2.1", "", "\x08\x05\x12\x05\x0a\x03o-7", " id o-7"),
	protobufBody("a number in a Protobuf message", "field 1", "", "\x08\x96\x01", " id 150"),
	protobufBody("a list in a Protobuf message", "field 1", "", "\x0a\x01a\x0a\x01b", ""),
	protobufBody("no message where the path goes on", "field 1.1", "", "\x08\x05", ""),
	protobufBody("a message of a Schema Registry", "field 1", "", "\x00\x00\x00\x00\x07\x04\x00\x02\x0a\x03o-7", " id o-7"),
	protobufBody("what is no Protobuf message", "field 1", "", orderBody, ""),
	protobufBody("the first of a call's messages", "field 1", "application/grpc+proto", "\x00\x00\x00\x00\x05\x0a\x03o-7\x00\x00\x00\x00\x05\x0a\x03o-8", " id o-7"),
	protobufBody("a call's message without an end", "field 1", "application/grpc", "\x00\x00\x00\x00\x06\x0a\x03o-7", ""),
	{name: "a Protobuf message that is cut", place: "field 1", said: []string{
		">POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n\x0a\x03o-7",
	}, want: []string{"POST /orders cut"}},
	{name: "half a head", said: []string{">GET /a HTTP/1.1\r\nHos"}},
	{name: "pipelined requests", said: []string{
		">GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\nGET /c HTTP/1.1\r\nHost: x\r\n\r\n",
		"<HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\n2",
	}, want: []string{"GET /a 200", "GET /b 404", "GET /c"}},
	{name: "an answer before its request is whole", said: []string{
		">POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab", "<HTTP/1.1 413 Large\r\nContent-Length: 0\r\n\r\n", ">cd",
		">GET /b HTTP/1.1\r\nHost: x\r\n\r\n",
	}, want: []string{"POST /a 413", "GET /b"}},
	{name: "an answer to a request that is never whole", said: []string{
		">POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab", "<HTTP/1.1 413 Large\r\nContent-Length: 0\r\n\r\n",
	}, want: []string{"POST /a cut 413"}},
	{name: "traces", said: []string{">" + asksTrace + asksB3, "<HTTP/1.1 204 No\r\n\r\nHTTP/1.1 204 No\r\n\r\n"},
		want: []string{"GET /a trace 0af7 204", "GET /a trace 463a 204"}},
	{name: "an upgrade to WebSocket", said: []string{
		">GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "<HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		">GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "<HTTP/1.1 101 Switching Protocols\r\n\r\n", ">\x81\x05hello",
	}, want: []string{"GET /a 200", "GET /ws"}, blind: "101 Switching Protocols"},
	{name: "TLS", said: []string{">\x16\x03\x01\x02\x00\x01\x00"}, blind: "TLS"},
	{name: "contradictory lengths", said: []string{">POST /a HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd"}, blind: "an invalid or contradictory content length"},
	{name: "an answer that is none", said: []string{">GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "<what?\r\n"}, want: []string{"GET /a"}, blind: "an answer that is not HTTP/1.x"},
	{name: "another protocol", said: []string{">SSH-2.0-OpenSSH_9.2\r\n"}, blind: "a request that is not HTTP/1.x"},
}

// protobufBody is a request with such a body, of which this is told behind its kind.
func protobufBody(name, place, kind, body, told string) played {
	return played{name: name, place: place, want: []string{"POST /orders" + told + " 200"}, said: []string{
		fmt.Sprintf(">POST /orders HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", kind, len(body), body),
		"<HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	}}
}

// Conversations are read the same in whatever pieces they come.
func TestLinkConversations(t *testing.T) {
	for _, c := range slices.Concat(conversations, brokerConversations(), identityConversations()) {
		t.Run(c.name, func(t *testing.T) {
			for _, size := range []int{1 << 20, 7, 1} {
				w, g := onLink(t, c.place)
				c.play(w.watch(&scripted{takes: 1 << 30}), size)
				g.ended(t, c.want, c.blind)
			}
		})
	}
}

// play speaks the conversation in pieces of at most size, and closes.
func (c *played) play(conn *conn, size int) {
	for _, said := range c.said {
		for piece := range slices.Chunk([]byte(said[1:]), size) {
			if said[0] == '>' {
				conn.Write(piece)
			} else {
				conn.mu.Lock()
				conn.received(piece, false)
				conn.mu.Unlock()
			}
		}
	}
	conn.Close()
}

// ended compares the account once every connection is closed.
func (g *register) ended(t *testing.T, want []string, blind string) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	slices.Sort(g.over)
	want = slices.Sorted(slices.Values(want))
	if len(g.open) > 0 || g.came != len(g.over) {
		t.Errorf("%d requests came, %d are over, %d are open", g.came, len(g.over), len(g.open))
	}
	if !slices.Equal(g.over, want) {
		t.Errorf("requests %q, want %q", g.over, want)
	}
	why := strings.Join(g.blind, "; ")
	if (why != "") != (blind != "") || !strings.HasPrefix(why, blind) {
		t.Errorf("blind: %q, want %q", why, blind)
	}
}

// HTTP/2 connections of a real client and a real server are read to the end, the statuses of answers and of gRPC's trailers included.
func TestLinkReadsHTTP2(t *testing.T) {
	gone, leave := context.WithCancel(t.Context())
	defer leave()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch _, err := io.Copy(io.Discard, r.Body); {
		case err != nil:
		case r.URL.Path == "/hangs":
			leave() // the client gives up once its whole request has come
			<-r.Context().Done()
		case r.URL.Path == "/shop.v1.Stock/Get":
			w.Header().Set("Trailer", "Grpc-Status")
			io.WriteString(w, "\x00\x00\x00\x00\x00")
			w.Header().Set("Grpc-Status", "14")
		default:
			w.WriteHeader(404)
		}
	}))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	defer server.Close()
	w, g := onLink(t, "$.order.id")
	transport := &http.Transport{DialContext: w.Watch(new(net.Dialer).DialContext), Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	ask := func(ctx context.Context, path, kind, body string) {
		r, err := http.NewRequestWithContext(ctx, "POST", server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", kind)
		if answer, err := transport.RoundTrip(r); err == nil {
			io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
		}
	}
	ask(t.Context(), "/orders/17", "application/json", orderBody)
	ask(t.Context(), "/shop.v1.Stock/Get", "application/grpc+json", "\x00\x00\x00\x00\x21"+orderBody)
	ask(gone, "/hangs", "application/json", orderBody)
	transport.CloseIdleConnections()
	server.Close()
	g.settle(3)
	g.ended(t, []string{"POST /orders/* id o-7 404", "/shop.v1.Stock/Get id o-7 grpc_unavailable", "POST /hangs id o-7"}, "")
}

// settle waits until so many requests are over.
func (g *register) settle(n int) {
	for {
		g.mu.Lock()
		over := len(g.over)
		g.mu.Unlock()
		if over >= n {
			return
		}
		sleepShortly()
	}
}

// FuzzLink feeds a connection with anything, in both directions. Every request that came is over in the end, and each once.
func FuzzLink(f *testing.F) {
	for _, c := range slices.Concat(conversations, brokerConversations(), identityConversations()) {
		var asked, answered []byte
		for _, said := range c.said {
			if said[0] == '>' {
				asked = append(asked, said[1:]...)
			} else {
				answered = append(answered, said[1:]...)
			}
		}
		f.Add(asked, answered, byte(9))
	}
	f.Add([]byte(preface+"\x00\x00\x04\x01\x05\x00\x00\x00\x01\x82\x84\x86\x88"), []byte("\x00\x00\x01\x01\x05\x00\x00\x00\x01\x88"), byte(40))
	f.Fuzz(func(t *testing.T, asked, answered []byte, size byte) {
		w, g := onLink(t, []string{"$.order.id", "field 2.1"}[size%2])
		conn := w.watch(&scripted{takes: 1 << 30})
		n := int(size) + 1
		for len(asked)+len(answered) > 0 {
			piece := asked[:min(n, len(asked))]
			asked = asked[len(piece):]
			conn.Write(bytes.Clone(piece))
			piece = answered[:min(n, len(answered))]
			answered = answered[len(piece):]
			conn.mu.Lock()
			conn.received(bytes.Clone(piece), false)
			conn.mu.Unlock()
		}
		conn.Close()
		if len(g.open) > 0 || g.came != len(g.over) {
			t.Errorf("%d requests came, %d are over, %d are open", g.came, len(g.over), len(g.open))
		}
	})
}

func TestPlaces(t *testing.T) {
	for _, text := range []string{"header", "header ", "header a b", "header a:", "orderId", "$.a[", "field", "field x", "field 0", "field 1..2", "field 1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1", "field 536870912"} {
		if CheckPlace(text) == nil {
			t.Errorf("%q is taken", text)
		}
	}
	for _, text := range []string{"", "header X-Request-Id", "$.order.id", "message_id", "field 1", "field 3.536870911"} {
		if err := CheckPlace(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestKinds(t *testing.T) {
	for path, want := range map[string]string{
		"/": "GET /", "/v1/orders/123": "GET /v1/orders/*", "/a/" + strings.Repeat("x", 50): "GET /a/*", "/x%20y?q=1": "GET /*",
		"http://host:80/stock/item17": "GET /stock/*", "/" + strings.Repeat("abc/", 60): "GET /" + strings.Repeat("abc/", 23) + "...",
	} {
		if got := requestKind([]byte("GET"), []byte(path)); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
}
