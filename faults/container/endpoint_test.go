package container

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Each usual socket that exists is tried after Docker's own, and the message names whose it is.
func TestUsualSockets(t *testing.T) {
	home, err := os.MkdirTemp("/tmp", "wringer") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	for name, value := range map[string]string{
		"HOME": home, "XDG_RUNTIME_DIR": filepath.Join(home, "run"), "DOCKER_HOST": "", "DOCKER_CONTEXT": "", "DOCKER_CONFIG": home,
	} {
		t.Setenv(name, value)
	}
	var want []string
	for _, s := range []struct{ path, of string }{
		{"run/docker.sock", "rootless Docker"}, {"run/podman/podman.sock", "rootless Podman"}, {".colima/default/docker.sock", "Colima"},
	} {
		path := filepath.Join(home, s.path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		want = append(want, "unix://"+path+" (the usual socket of "+s.of+")")
	}
	if err := os.WriteFile(filepath.Join(home, ".docker"), nil, 0o600); err != nil { // no folder, and no socket
		t.Fatal(err)
	}
	candidates, err := endpoints()
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, e := range candidates {
		if strings.Contains(e.url, home) {
			told = append(told, e.String())
		}
	}
	if !slices.Equal(told, want) {
		t.Errorf("%q, want %q", told, want)
	}
}

// contextOf makes a context as the Docker command stores it, with files of TLS.
func contextOf(t *testing.T, folder, name, endpoint string, files ...string) {
	t.Helper()
	id := fmt.Sprintf("%x", sha256.Sum256([]byte(name)))
	all := map[string]string{"contexts/meta/" + id + "/meta.json": `{"Name": "` + name + `", "Endpoints": {"docker": ` + endpoint + `}}`}
	for _, file := range files {
		all["contexts/tls/"+id+"/docker/"+file] = ""
	}
	for path, text := range all {
		path = filepath.Join(folder, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// A context names the engine, with TLS or without. What cannot be done with one is told before anything is dialled.
func TestContexts(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("DOCKER_HOST", "")
	t.Setenv("DOCKER_CONFIG", folder)
	const far = `{"Host": "tcp://127.0.0.1:1"}`
	contextOf(t, folder, "plain", far)
	contextOf(t, folder, "tls", far, "ca.pem", "cert.pem", "key.pem")
	contextOf(t, folder, "ca", far, "ca.pem")
	contextOf(t, folder, "skip", `{"Host": "tcp://127.0.0.1:1", "SkipTLSVerify": true}`)
	contextOf(t, folder, "none", `{}`)
	contextOf(t, folder, "ssh", `{"Host": "ssh://far"}`)
	for name, want := range map[string]string{
		"plain": "", "tls": "", "ca": "TLS needs a ca, a certificate and its key", "skip": "skip-tls-verify is not supported",
		"none": "names no Docker endpoint", "ssh": "ssh is not supported", "absent": "there is no such context in " + folder,
	} {
		t.Setenv("DOCKER_CONTEXT", name)
		candidates, err := endpoints()
		if want != "" {
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "DOCKER_CONTEXT "+name) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || len(candidates) != 1 || candidates[0].url != "tcp://127.0.0.1:1" || (candidates[0].certs != "") != (name == "tls") {
			t.Errorf("%s: %+v %v", name, candidates, err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "config.json"), []byte(`{"currentContext": "tls"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONTEXT", "")
	if candidates, err := endpoints(); err != nil || len(candidates) != 1 || candidates[0].from != "the current context tls" {
		t.Errorf("%+v %v", candidates, err)
	}
}

// The wait for an engine that takes connections and says nothing is told. Each endpoint that fails is named.
func TestSlowEndpoint(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 2)
	answer := make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-answer
		w.WriteHeader(http.StatusTeapot)
	})}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) })
	t.Cleanup(func() {
		server.Close()
		serving.Wait()
	})
	url := "tcp://" + l.Addr().String()
	s := Search{Slow: func(where string) {
		told <- where
		close(answer)
	}}
	_, err = s.first(t.Context(), []endpoint{{url: "unix:///nowhere.sock", from: "the usual socket of Docker"}, {url: url, from: "the test"}})
	if err == nil || !strings.Contains(err.Error(), "unix:///nowhere.sock (the usual socket of Docker): ") || !strings.Contains(err.Error(), url+" (the test): ") {
		t.Errorf("%v", err)
	}
	if where := <-told; where != url+" (the test)" {
		t.Errorf("told %s", where)
	}
}
