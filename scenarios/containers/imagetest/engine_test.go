package imagetest

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeEngine answers as a container engine does, of the images that it holds.
type fakeEngine struct {
	mu     sync.Mutex
	images map[string]time.Time // by reference
	inUse  string               // an image that a container uses
	loads  int
	change []string // of the last image
	broken string   // the error of a load
}

// openFake is the engine of the test, and of no other.
func openFake(t *testing.T) *fakeEngine {
	f := &fakeEngine{images: make(map[string]time.Time)}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	t.Setenv("DOCKER_HOST", "tcp://"+s.Listener.Addr().String())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	return f
}

func (f *fakeEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/v1.41")
	ref := strings.TrimPrefix(path, "/images/")
	switch {
	case path == "/version":
		fmt.Fprint(w, `{"Arch": "amd64", "Os": "linux"}`)
	case path == "/images/create":
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return // the client gave up: no image
		}
		f.loads++
		f.change = r.URL.Query()["changes"]
		if f.broken != "" {
			fmt.Fprintf(w, `{"error": %q}`, f.broken)
			return
		}
		f.images[r.FormValue("repo")] = time.Now()
	case strings.HasSuffix(path, "/tag"):
		f.images[r.FormValue("repo")+":"+r.FormValue("tag")] = time.Now()
	case path == "/images/json":
		f.list(w, r.FormValue("filters"))
	case r.Method == http.MethodDelete && ref == f.inUse:
		w.WriteHeader(http.StatusConflict)
		fmt.Fprintf(w, `{"message": "%s is in use"}`, ref)
	case r.Method == http.MethodDelete:
		delete(f.images, ref)
	default:
		if _, ok := f.images[strings.TrimSuffix(ref, "/json")]; !ok {
			w.WriteHeader(http.StatusNotFound)
		}
	}
}

func (f *fakeEngine) list(w io.Writer, filters string) {
	var all []string
	for ref, made := range f.images {
		repository, _, _ := strings.Cut(ref, ":")
		if strings.Contains(filters, Label+"=1") && (!strings.Contains(filters, "reference") || strings.Contains(filters, `"`+repository+`"`)) {
			all = append(all, fmt.Sprintf(`{"Id": "sha", "RepoTags": [%q], "Created": %d}`, ref, made.Unix()))
		}
	}
	fmt.Fprintf(w, "[%s]", strings.Join(all, ","))
}

func (f *fakeEngine) refs() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for ref := range f.images {
		all = append(all, ref)
	}
	slices.Sort(all)
	return all
}

// plain is an image of one file with the contents as its tag.
func plain(contents string, packed error) *image {
	return &image{
		name: "plain", changes: []string{"EXPOSE 1"},
		missing: func() string { return "" },
		tag:     func(context.Context, string, string) (string, error) { return contents, nil },
		pack: func(_ context.Context, _, work string, w io.Writer) error {
			path := filepath.Join(work, "file")
			if err := os.WriteFile(path, []byte(contents), 0o644); err != nil {
				return err
			}
			return errors.Join(packFiles(w, map[string]string{"file": path}), packed)
		},
	}
}

func TestBuildsOnceAndForgetsOldContents(t *testing.T) {
	f := openFake(t)
	now := time.Now()
	f.images = map[string]time.Time{
		"wringer-test/plain:old": now.Add(-2 * keepOld), "wringer-test/plain:young": now, "wringer-test/other:old": now.Add(-2 * keepOld),
	}
	for range 2 {
		if ref := get(t, plain("new", nil)); ref != "wringer-test/plain:new" {
			t.Fatalf("the image is %s", ref)
		}
	}
	if f.loads != 1 || !slices.Equal(f.change, []string{"LABEL wringer.test=1", "EXPOSE 1"}) {
		t.Errorf("%d loads, changes %q", f.loads, f.change)
	}
	want := []string{"wringer-test/other:old", "wringer-test/plain:latest", "wringer-test/plain:new", "wringer-test/plain:young"}
	if got := f.refs(); !slices.Equal(got, want) {
		t.Errorf("images %q, want %q", got, want)
	}
}

func TestFailedBuildLeavesNoImage(t *testing.T) {
	f := openFake(t)
	e, err := newEngine()
	must(t, err)
	full := errors.New("the disk is full")
	if _, _, err := ensure(t.Context(), e, "amd64", plain("new", full)); !errors.Is(err, full) {
		t.Errorf("a recipe that fails: %v", err)
	}
	f.broken = "no space left"
	if _, _, err := ensure(t.Context(), e, "amd64", plain("new", nil)); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("an engine that fails: %v", err)
	}
	if got := f.refs(); len(got) != 0 {
		t.Errorf("images %q", got)
	}
}

func TestRemoveAll(t *testing.T) {
	f := openFake(t)
	f.images = map[string]time.Time{"wringer-test/a:1": {}, "wringer-test/b:1": {}}
	f.inUse = "wringer-test/b:1"
	removed, err := RemoveAll(t.Context())
	if !slices.Equal(removed, []string{"wringer-test/a:1"}) || err == nil || !strings.Contains(err.Error(), "b:1 is in use") {
		t.Errorf("removed %q: %v", removed, err)
	}
}

// Without an engine a test is skipped, with the reason.
func TestNoEngine(t *testing.T) {
	for host, says := range map[string]string{"unix:///nowhere.sock": "/nowhere.sock", "tcp://127.0.0.1:1": "refused", "ssh://host": "ssh://host"} {
		t.Setenv("DOCKER_HOST", host)
		if _, _, why := answering(t.Context()); !strings.Contains(why, "no container engine") || !strings.Contains(why, says) {
			t.Errorf("%s: %q does not say %q", host, why, says)
		}
	}
}

func TestPackFolder(t *testing.T) {
	root := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(root, "etc", "empty"), 0o700))
	must(t, os.WriteFile(filepath.Join(root, "etc", "file"), []byte("text"), 0o640))
	must(t, os.Symlink("/etc/file", filepath.Join(root, "link")))
	var archive bytes.Buffer
	must(t, packFolder(&archive, root))
	got := make(map[string]string)
	for r := tar.NewReader(&archive); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		text, err := io.ReadAll(r)
		must(t, err)
		got[h.Name] = fmt.Sprintf("%o %s%s", fs.FileMode(h.Mode), text, h.Linkname)
	}
	want := map[string]string{"etc": "755 ", "etc/empty": "700 ", "etc/file": "640 text", "link": "777 /etc/file"}
	want["etc"] = got["etc"] // by the umask
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("packed %q, want %q", got, want)
	}
}
