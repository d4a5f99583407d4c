package webhook

import (
	"io"
	"log"
	"net"
	"net/http"
	"sync/atomic"
)

// quiet drops what the HTTP server would log: a caller that breaks off is the target's matter.
var quiet = log.New(io.Discard, "", 0)

// server listens as long as the target runs. Each step's source attaches to it.
type server struct {
	listener net.Listener
	path     string
	http     *http.Server
	served   chan struct{}
	source   atomic.Pointer[source] // nil: between two steps
}

// URL implements drivers.Listener.
func (s *server) URL() string { return "http://" + s.listener.Addr().String() + s.path }

// Close implements drivers.Listener.
func (s *server) Close() error {
	err := s.http.Close()
	<-s.served
	return err
}

// ServeHTTP takes one call.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	source := s.source.Load()
	switch {
	case s.path != "" && r.URL.Path != s.path:
		http.Error(w, "no such path", http.StatusNotFound)
	case source == nil:
		http.Error(w, "no run is under way", http.StatusServiceUnavailable)
	default:
		source.call(w, r)
	}
}
