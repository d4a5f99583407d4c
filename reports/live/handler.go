package live

import (
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// handler answers GET alone.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.servePage)
	mux.HandleFunc("GET /events", s.serveEvents)
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range map[string]string{
			"Cache-Control": "no-store", "Content-Security-Policy": "frame-ancestors 'none'", "Cross-Origin-Resource-Policy": "same-origin",
			"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
		} {
			w.Header().Set(name, value)
		}
		switch {
		case !s.named(r.Host):
			http.Error(w, "the host "+r.Host+" is not this machine: use its address", http.StatusForbidden)
		case !s.admits(r):
			http.Error(w, "the token is missing or wrong: use the URL that wringer printed", http.StatusForbidden)
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

// named says whether a Host header names this machine. A page of elsewhere whose name was made to lead here has another one.
func (s *Server) named(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	return net.ParseIP(host) != nil || slices.ContainsFunc(s.names, func(name string) bool { return strings.EqualFold(name, host) })
}

// admits says whether a request has the token, where there is one.
func (s *Server) admits(r *http.Request) bool {
	return s.token == "" || subtle.ConstantTimeCompare([]byte(r.URL.Query().Get("token")), []byte(s.token)) == 1
}

func (s *Server) servePage(w http.ResponseWriter, _ *http.Request) {
	page, err := s.page()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(page) // whoever went away needs none
}

// serveEvents sends a watcher what changed since its last edition, until it goes away or the page changes no more.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	select {
	case s.watchers <- struct{}{}:
		defer func() { <-s.watchers }()
	default:
		http.Error(w, fmt.Sprintf("%d pages watch this run already: close one", mostWatchers), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	at := s.numberOf(r.URL.Query().Get("after"))
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		at = s.numberOf(last)
	}
	send := s.sender(w)
	if send("retry: 1000\n\n") != nil {
		return
	}
	for {
		over := s.over()
		news := s.changed()
		e, err := s.current()
		if err != nil {
			return
		}
		if e.number != at {
			text, err := e.changedSince(at)
			if err != nil || send("id: %s\nevent: update\ndata: %s\n\n", s.name(e.number), text) != nil {
				return
			}
			at = e.number
		}
		if over {
			send("event: end\ndata:\n\n")
			return
		}
		select {
		case <-news:
		case <-s.ended:
		case <-r.Context().Done():
			return
		case <-time.After(quietTime):
			if send(":\n\n") != nil {
				return
			}
		}
	}
}

// over says whether the page changes no more.
func (s *Server) over() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// sender writes to one watcher at once. A watcher that takes nothing for too long is an error.
func (s *Server) sender(w http.ResponseWriter) func(format string, a ...any) error {
	control := http.NewResponseController(w)
	return func(format string, a ...any) error {
		control.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := fmt.Fprintf(w, format, a...); err != nil {
			return err
		}
		return control.Flush()
	}
}
