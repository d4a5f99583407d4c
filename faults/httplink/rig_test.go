package httplink

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wringer/drivers/drivertest/tier"
	"wringer/faults"
	"wringer/faults/faulttest"
	"wringer/faults/toxi"
)

func TestMain(m *testing.M) {
	tier.AtOnce(tier.Waiting)
	goleak.VerifyTestMain(m)
}

const patience = 2 * time.Minute

// rig is a link with an inlet to one target.
type rig struct {
	link    faults.Link
	address string
}

func newRig(t testing.TB, upstream string) *rig {
	t.Helper()
	m, err := toxi.NewMesh(faults.Network{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	link, address := faulttest.OpenLink(t, m, "orders->stock", (&Config{}).Prepare, upstream)
	return &rig{link, address}
}

func (r *rig) open(t testing.TB, a Act) *Fault {
	t.Helper()
	return faulttest.Open(t, &Config{Link: r.link.Name(), Act: a}, faulttest.OnLink(r.link)).(*Fault)
}

func (r *rig) inject(t testing.TB, a Act) *Fault {
	t.Helper()
	f := r.open(t, a)
	faulttest.Inject(t, f)
	return f
}

const page = "a page that is long enough to be cut in two, or to be changed"

// served counts the requests of a server. The server answers both versions of HTTP with the page, and echoes posted
// bodies.
type served struct {
	*httptest.Server
	n atomic.Int64
}

func serve(t testing.TB) *served {
	t.Helper()
	s := &served{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.n.Add(1)
		if r.Method == http.MethodPost {
			_, _ = io.Copy(w, r.Body)
			return
		}
		_, _ = io.WriteString(w, page)
	}))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func (s *served) address() string { return s.Listener.Addr().String() }

func client(t testing.TB, http2Spoken bool) *http.Client {
	p := new(http.Protocols)
	p.SetHTTP1(!http2Spoken)
	p.SetUnencryptedHTTP2(http2Spoken)
	tr := &http.Transport{Protocols: p}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

func get(ctx context.Context, c *http.Client, url string) (status int, body string, header http.Header, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", nil, err
	}
	a, err := c.Do(req)
	if err != nil {
		return 0, "", nil, err
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	return a.StatusCode, string(b), a.Header, err
}

func both(t *testing.T, test func(t *testing.T, http2Spoken bool)) {
	t.Run("HTTP/1.1", func(t *testing.T) { test(t, false) })
	t.Run("HTTP/2", func(t *testing.T) { test(t, true) })
}
