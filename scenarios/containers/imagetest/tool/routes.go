package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"wringer/faults/visit"
)

// reached is the answer of /dial and /get.
type reached struct {
	Error  string `json:"error,omitempty"`
	Peer   string `json:"peer,omitempty"` // the address that the name led to
	Status int    `json:"status,omitempty"`
	Answer string `json:"answer,omitempty"` // at most 64 KiB
}

const (
	maxAnswer = 64 << 10
	mib       = 1 << 20
)

// routes answers requests; exit ends the process.
func routes(ready time.Time, exit func(int)) http.Handler {
	mux := http.NewServeMux()
	held := &memory{}
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if time.Now().Before(ready) {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/dial", func(w http.ResponseWriter, r *http.Request) {
		tell(w, dial(r.Context(), r.FormValue("to"), r.FormValue("say")))
	})
	mux.HandleFunc("/get", func(w http.ResponseWriter, r *http.Request) { tell(w, get(r.Context(), r.FormValue("url"))) })
	mux.HandleFunc("/memory", number("mb", func(w http.ResponseWriter, _ *http.Request, mb int) { held.hold(mb) }))
	mux.HandleFunc("/child", number("mb", func(w http.ResponseWriter, r *http.Request, mb int) { tell(w, child(r.Context(), mb)) }))
	mux.HandleFunc("/cpu", number("cores", keepBusy))
	mux.HandleFunc("/fill", number("mb", func(w http.ResponseWriter, r *http.Request, mb int) { tell(w, fill(r.FormValue("dir"), mb)) }))
	mux.HandleFunc("/print", number("times", printLines))
	mux.HandleFunc("/charge", charge)
	mux.HandleFunc("/exit", number("code", func(_ http.ResponseWriter, _ *http.Request, code int) { exit(code) }))
	mux.HandleFunc("/env", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, strings.Join(os.Environ(), "\n")) })
	mux.HandleFunc("/hosts", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "/etc/hosts") })
	mux.HandleFunc("/unsettled", func(w http.ResponseWriter, _ *http.Request) {
		n, err := unsettled()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		tell(w, map[string]int{"connections": n})
	})
	mux.HandleFunc("/echo", echoRequest)
	return mux
}

func tell(w http.ResponseWriter, a any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(a) // fails if the client has gone
}

// number reads a parameter that is a number; a missing one is 1.
func number(name string, handle func(w http.ResponseWriter, r *http.Request, n int)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(cmp.Or(r.FormValue(name), "1"))
		if err != nil || n < 0 {
			http.Error(w, name+": write a whole number from 0", http.StatusBadRequest)
			return
		}
		handle(w, r, n)
	}
}

// dial connects, says the text if there is one, ends its half, and reads the answer.
func dial(ctx context.Context, to, say string) (a reached) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", to)
	if err != nil {
		return reached{Error: err.Error()}
	}
	defer c.Close()
	a.Peer = c.RemoteAddr().String()
	if say == "" {
		return a
	}
	end, _ := ctx.Deadline()
	err = c.SetDeadline(end)
	if err == nil {
		_, err = io.WriteString(c, say)
	}
	if err == nil {
		err = c.(*net.TCPConn).CloseWrite()
	}
	var answer []byte
	if err == nil {
		answer, err = io.ReadAll(io.LimitReader(c, maxAnswer))
	}
	a.Answer = string(answer)
	if err != nil {
		a.Error = err.Error()
	}
	return a
}

// get asks over a connection of its own, which has ended at both sides when get returns.
func get(ctx context.Context, url string) (a reached) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var calls visit.Calls
	defer calls.End()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := calls.Dial(ctx, network, address)
		if err == nil {
			a.Peer = c.RemoteAddr().String()
		}
		return c, err
	}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return reached{Error: err.Error()}
	}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return reached{Error: err.Error()}
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	a.Status, a.Answer = answer.StatusCode, string(body)
	if err != nil {
		a.Error = err.Error()
	}
	return a
}

// memory is memory that is in use.
type memory struct {
	mu   sync.Mutex
	held []byte
}

// hold touches each page, so that the kernel gives the memory.
func (m *memory) hold(mb int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = nil
	m.held = bytes.Repeat([]byte{1}, mb*mib)
}

// ended is the answer of /child.
type ended struct {
	Error string `json:"error,omitempty"`
}

// child lets another process of the tool hold memory for a moment, and tells how that process ended.
func child(ctx context.Context, mb int) (e ended) {
	own, err := os.Executable()
	if err == nil {
		err = exec.CommandContext(ctx, own, "hold", strconv.Itoa(mb)).Run()
	}
	if err != nil {
		e.Error = err.Error()
	}
	return e
}

// keepBusy uses cores for a time, at most until the client goes away.
func keepBusy(w http.ResponseWriter, r *http.Request, cores int) {
	d, err := time.ParseDuration(cmp.Or(r.FormValue("for"), "1s"))
	if err != nil {
		http.Error(w, "for: "+err.Error(), http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), d)
	defer cancel()
	var all sync.WaitGroup
	for range cores {
		all.Go(func() {
			for ctx.Err() == nil {
			}
		})
	}
	all.Wait()
}

// filled is the answer of /fill.
type filled struct {
	Error string `json:"error,omitempty"`
	File  string `json:"file,omitempty"`
	Bytes int64  `json:"bytes"`
}

// fill writes a new file. A full disk is an answer.
func fill(dir string, mb int) (f filled) {
	file, err := os.CreateTemp(cmp.Or(dir, os.TempDir()), "fill-")
	if err != nil {
		return filled{Error: err.Error()}
	}
	f.File = file.Name()
	block := slices.Repeat([]byte{1}, mib)
	for range mb {
		n, err := file.Write(block)
		f.Bytes += int64(n)
		if err != nil {
			f.Error = err.Error()
			break
		}
	}
	if err := file.Close(); err != nil {
		f.Error = cmp.Or(f.Error, err.Error())
	}
	return f
}

func printLines(_ http.ResponseWriter, r *http.Request, times int) {
	to := os.Stdout
	if r.FormValue("to") == "stderr" {
		to = os.Stderr
	}
	for range times {
		fmt.Fprintln(to, r.FormValue("line"))
	}
}

// charge writes a line about an order, and tells of it at a URL.
func charge(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintln(os.Stdout, "charged", r.FormValue("id"))
	body, err := json.Marshal(map[string]string{"id": r.FormValue("id")})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	call, err := http.NewRequestWithContext(ctx, http.MethodPost, r.FormValue("notify"), bytes.NewReader(body))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(call)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	answer.Body.Close()
	w.WriteHeader(answer.StatusCode)
}

// echoed is the answer of /echo.
type echoed struct {
	Method  string              `json:"method"`
	Path    string              `json:"path"`
	Headers map[string][]string `json:"headers"`
	From    string              `json:"from"`
	Body    string              `json:"body"`
}

func echoRequest(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	tell(w, echoed{r.Method, r.URL.RequestURI(), r.Header, r.RemoteAddr, string(body)})
}
