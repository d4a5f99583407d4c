package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"wringer/faults/container"
)

// images is an engine with images. One with a label is what a run built; others are the user's.
type images struct {
	mu   sync.Mutex
	held map[string]bool // by name; true: a run built it
	used string          // one that a container uses
}

// use says which image a container uses.
func (i *images) use(name string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.used = name
}

func (i *images) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Api-Version", "1.41")
	_, path, _ := strings.Cut(r.URL.Path, "/images/")
	switch name := path; {
	case strings.HasSuffix(r.URL.Path, "/images/json"):
		var all []string
		for name, built := range i.held {
			if built || !strings.Contains(r.FormValue("filters"), container.LabelImage) {
				all = append(all, fmt.Sprintf(`{"Id": %q, "RepoTags": [%q]}`, name, name))
			}
		}
		fmt.Fprintf(w, "[%s]", strings.Join(all, ","))
	case r.Method == http.MethodDelete && name == i.used:
		w.WriteHeader(http.StatusConflict)
		fmt.Fprintf(w, `{"message": "%s is in use"}`, name)
	case r.Method == http.MethodDelete && !i.held[name]:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodDelete:
		delete(i.held, name)
		fmt.Fprint(w, "[]")
	default:
		fmt.Fprint(w, "{}")
	}
}

// Images that runs built go, and no other. One in use stays, and is named.
func TestCleanupOfImages(t *testing.T) {
	scenario(t, light)
	i := &images{held: map[string]bool{"wringer-built:1": true, "wringer-relay:1": true, "postgres:17": false}}
	engine := httptest.NewServer(i)
	t.Cleanup(engine.Close)
	cleanup := func(code int, words ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), string(built(t, checked)), "cleanup", "--images")
		cmd.Env = append(os.Environ(), "DOCKER_HOST=tcp://"+engine.Listener.Addr().String())
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != code {
			t.Errorf("exit %d, want %d: %s", got, code, out)
		}
		for _, w := range words {
			if !strings.Contains(string(out), w) {
				t.Errorf("%q is not in: %s", w, out)
			}
		}
	}
	i.use("wringer-relay:1")
	cleanup(4, "removed: image wringer-built:1", "wringer-relay:1 is in use")
	i.use("")
	cleanup(0, "removed: image wringer-relay:1")
	cleanup(0, "no run's image is left")
	engine.Close()
	if len(i.held) != 1 {
		t.Errorf("the engine holds %v", i.held)
	}
}
