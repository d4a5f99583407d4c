package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"wringer/reports"
	"wringer/reports/html"
	"wringer/reports/index"
)

// indexFile is the index in a folder of records.
const indexFile = "index.html"

// reportIndex writes the index of a folder of records.
func reportIndex(dir string, out *outputs, std streams) error {
	for _, format := range formats {
		if format.name != "html" && *out.files[format.name] != "" {
			return usage("report: --%s is of one record, and %s holds several: name the folder of one", format.name, dir)
		}
	}
	page, n, err := renderIndex(dir)
	if err != nil {
		return err
	}
	switch path := *out.files["html"]; path {
	case "-":
		_, err = std.out.Write(page)
		return err
	case "":
		path = filepath.Join(dir, indexFile)
		if err := writeBytes(path, page); err != nil {
			return harness("write the index: %w", err)
		}
		fmt.Fprintf(std.out, "%s: %d records\n", path, n)
	default:
		if err := writeBytes(path, page); err != nil {
			return harness("write html: %w", err)
		}
	}
	return nil
}

// renderIndex is the page of a folder, and the number of its records.
func renderIndex(dir string) ([]byte, int, error) {
	entries, left, err := index.Read(dir)
	if err != nil {
		return nil, 0, usage("report: %w", err)
	}
	title := filepath.Base(dir)
	if whole, err := filepath.Abs(dir); err == nil {
		title = filepath.Base(whole)
	}
	var b bytes.Buffer
	if err := index.Render(&b, title, entries, left); err != nil {
		return nil, 0, harness("render the index: %w", err)
	}
	return b.Bytes(), len(entries) + left, nil
}

// serveIndex serves the index of a folder that grows, and the report of each record, until the context ends. It reads, and writes nothing.
func serveIndex(ctx context.Context, dir, address string, std streams) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return usage("--serve %s: write an address such as 127.0.0.1:8080, or 127.0.0.1:0 for any free port", address)
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return usage("--serve %s: reports hold what the target said, and nobody asks who reads them: serve on this machine alone, as on 127.0.0.1:8080", address)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return usage("--serve %s: %w", address, err)
	}
	server := &http.Server{Handler: &indexHandler{dir: dir}, ReadHeaderTimeout: 5 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	fmt.Fprintf(std.out, "http://%s/\n", l.Addr())
	stop := context.AfterFunc(ctx, func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = server.Shutdown(end)
		_ = server.Close()
	})
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return harness("serve the index: %w", err)
	}
	return nil // asked for by the user
}

// indexHandler renders the index, and the report of a record, anew for each request.
type indexHandler struct{ dir string }

func (h *indexHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		http.Error(w, "this server only reads", http.StatusMethodNotAllowed)
		return
	case !fromHere(r.Host): // a page elsewhere whose name leads to this machine
		http.Error(w, "ask for 127.0.0.1 or localhost", http.StatusForbidden)
		return
	}
	page, err := h.page(r.URL.Path)
	if err != nil {
		http.Error(w, "there is no such report", http.StatusNotFound)
		return
	}
	header.Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page)
}

// fromHere says whether a Host header names this machine.
func fromHere(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	ip, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return name == "localhost" || err == nil && ip.IsLoopback()
}

// page renders what stands at a path: the index, or the report of a record that the index lists.
func (h *indexHandler) page(path string) ([]byte, error) {
	if path == "/" {
		page, _, err := renderIndex(h.dir)
		return page, err
	}
	inside, is := strings.CutSuffix(strings.TrimPrefix(path, "/"), "/"+index.ReportFile)
	if !is || !filepath.IsLocal(inside) {
		return nil, errors.New("no report")
	}
	entries, _, err := index.Read(h.dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Dir != inside || e.Broken != "" {
			continue
		}
		rec, err := reports.Load(filepath.Join(h.dir, filepath.FromSlash(inside)))
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		err = html.Render(&b, rec)
		return b.Bytes(), err
	}
	return nil, errors.New("no record")
}
