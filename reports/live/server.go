package live

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"wringer/reports"
	"wringer/reports/html"
)

// Server serves the report of the run that goes on. Begin, Show and Final are called from one goroutine at a time, and do not wait for
// watchers; all other methods are safe for concurrent use.
type Server struct {
	http     *http.Server
	listener net.Listener
	served   chan struct{}
	ended    chan struct{} // closed once the page changes no more
	token    string        // that the URL must have; empty: none
	names    []string      // of this machine, in a Host header
	epoch    int64         // begins the names of this server's editions, so that those of an earlier one are known
	watchers chan struct{} // a place for each
	share    time.Duration // an edition stands for so many times the time that it took to make

	mu    sync.Mutex
	rec   *reports.Record
	grown *reports.Run // the record of the run so far
	count int          // moments so far
	final bool         // the record is the one of a run that is over
	news  chan struct{}

	painting sync.Mutex // guards all below
	shown    *edition
	of       int       // the moment that shown was made of
	next     time.Time // not before then another edition is made
}

// The bounds of a server.
const (
	mostWatchers    = 64
	mostConnections = 2 * mostWatchers
	headerTimeout   = 5 * time.Second
	idleTimeout     = time.Minute
	// writeTimeout is how long a watcher may take nothing before it is dropped.
	writeTimeout = 10 * time.Second
	// quietTime is the time after which a watcher to which nothing was sent gets a sign of life.
	quietTime = 15 * time.Second
	// paintShare bounds the share of time spent on editions: one that took long to make stands longer.
	paintShare = 20
	// closeTimeout is how long Close waits for watchers to take the end.
	closeTimeout = time.Second
)

// Listen begins to serve on an address HOST:PORT; port 0 is a free one. Where others than this machine can reach it, the URL holds a
// token. ctx bounds Listen alone; Close ends the server.
func Listen(ctx context.Context, address string) (*Server, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("%s: write HOST:PORT, as in 127.0.0.1:0: %w", address, err)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	s := &Server{
		listener: l, served: make(chan struct{}), ended: make(chan struct{}), epoch: time.Now().UnixMilli(), news: make(chan struct{}),
		watchers: make(chan struct{}, mostWatchers), share: paintShare, names: []string{"localhost"}, shown: &edition{},
	}
	if name, err := os.Hostname(); err == nil {
		s.names = append(s.names, name)
	}
	if host != "" {
		s.names = append(s.names, host)
	}
	if ip := l.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
		s.token = rand.Text()
	}
	s.http = &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: headerTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: 16 << 10,
	}
	s.Begin("", "")
	go func() {
		defer close(s.served)
		s.http.Serve(netutil.LimitListener(l, mostConnections)) // ends with Close
	}()
	return s, nil
}

// URL is where the page is.
func (s *Server) URL() string {
	at := s.listener.Addr().(*net.TCPAddr)
	host := at.IP.String()
	if at.IP.IsUnspecified() {
		host = s.names[min(1, len(s.names)-1)] // the machine's name, where it has one
	}
	url := "http://" + net.JoinHostPort(host, strconv.Itoa(at.Port)) + "/"
	if s.token != "" {
		url += "?token=" + s.token
	}
	return url
}

// Begin shows that a run of that name begins, whose record goes to a folder.
func (s *Server) Begin(name, folder string) {
	s.notify(func() {
		s.grown = &reports.Run{Name: name}
		s.rec, s.final = &reports.Record{Run: running(s.grown), Scenario: scenarioIn(folder)}, false
	})
}

// Show takes a partial record, as the runner's Watch hands it out: with the rows since the last one alone. It keeps the record and does
// not change it.
func (s *Server) Show(run *reports.Run, folder string) {
	s.notify(func() {
		s.grown = grown(s.grown, run)
		text := s.rec.Scenario
		if len(text) == 0 {
			text = scenarioIn(folder)
		}
		s.rec = &reports.Record{Run: running(s.grown), Scenario: text}
	})
}

// Final shows the record of a run that is over. It keeps the record.
func (s *Server) Final(rec *reports.Record) {
	s.notify(func() { s.rec, s.grown, s.final = rec, &reports.Run{}, true })
}

// scenarioIn is the text of the scenario in a record's folder, in which no secret stands; nil before it was written.
func scenarioIn(folder string) []byte {
	if folder == "" {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(folder, reports.ScenarioFile))
	if err != nil {
		return nil // the page goes without
	}
	return text
}

// notify changes what is shown, and wakes the watchers.
func (s *Server) notify(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	s.count++
	close(s.news)
	s.news = make(chan struct{})
}

// Close sends the watchers that are there the last edition and the end, and ends the server. It waits for a slow one for a second at most.
func (s *Server) Close() error {
	close(s.ended)
	ctx, done := context.WithTimeout(context.Background(), closeTimeout)
	defer done()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	<-s.served
	return err
}

// changed returns a channel that is closed at the next change.
func (s *Server) changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.news
}

// current is the newest edition. It makes one if something changed since the last, and if that one did not take too long.
func (s *Server) current() (*edition, error) {
	s.painting.Lock()
	defer s.painting.Unlock()
	s.mu.Lock()
	rec, count, final := s.rec, s.count, s.final
	s.mu.Unlock()
	begun := time.Now()
	if count == s.of || !final && begun.Before(s.next) && s.of > 0 {
		return s.shown, nil
	}
	made, err := html.NewEdition(rec)
	if err != nil {
		return nil, err
	}
	s.shown, s.of = s.shown.after(made), count
	s.next = begun.Add(s.share * time.Since(begun))
	return s.shown, nil
}

// name is the name of an edition: the server's, and its number.
func (s *Server) name(number int) string { return fmt.Sprintf("%d-%d", s.epoch, number) }

// numberOf is the number of an edition of this server; 0 for any other.
func (s *Server) numberOf(name string) int {
	number, ok := strings.CutPrefix(name, strconv.FormatInt(s.epoch, 10)+"-")
	n, err := strconv.Atoi(number)
	if !ok || err != nil {
		return 0
	}
	return n
}

// page is the whole page of the newest edition.
func (s *Server) page() ([]byte, error) {
	e, err := s.current()
	if err != nil {
		return nil, err
	}
	s.painting.Lock()
	defer s.painting.Unlock()
	if e.page == nil {
		var b bytes.Buffer
		if err := e.made.Page(&b, s.name(e.number)); err != nil {
			return nil, err
		}
		e.page = b.Bytes()
	}
	return e.page, nil
}
