package shop

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// httpServer is an HTTP server that knows when its last connection has ended.
type httpServer struct {
	server *http.Server
	served sync.WaitGroup // the server and its connections
}

// serveHTTP takes over the listener.
func serveHTTP(l net.Listener, routes http.Handler) *httpServer {
	s := &httpServer{}
	s.server = &http.Server{
		Handler:           routes,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0), // errors of a client's connection concern the client alone
		ConnState:         s.follow,
	}
	s.served.Go(func() { _ = s.server.Serve(l) }) // ends by close or drain, without another error
	return s
}

// follow counts the connections. StateNew comes from the accept loop, StateClosed once the handler has returned.
func (s *httpServer) follow(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.served.Add(1)
	case http.StateClosed:
		s.served.Done()
	}
}

// drain accepts no further connection, and waits until the requests in progress are answered, at most until ctx ends.
func (s *httpServer) drain(ctx context.Context) { _ = s.server.Shutdown(ctx) }

// close cuts every connection and waits for the handlers.
func (s *httpServer) close() {
	_ = s.server.Close()
	s.served.Wait()
}

// answer is GET /audit.
func (l *ledger) answer(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(l.audit()) // fails if the client has gone
}

// openHealth serves the health of a service that has no other HTTP interface, and its audit. It takes over the listener.
func openHealth(l net.Listener, ready func(context.Context) error, ledger *ledger) *httpServer {
	routes := http.NewServeMux()
	routes.HandleFunc("GET /audit", ledger.answer)
	routes.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		if err := ready(ctx); err != nil {
			write(w, answer{http.StatusServiceUnavailable, problem("not_ready", err.Error())})
			return
		}
		write(w, answer{http.StatusOK, []byte(`{"status":"ok"}`)})
	})
	return serveHTTP(l, routes)
}
