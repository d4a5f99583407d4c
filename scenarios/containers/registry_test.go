package containers

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"

	"wringer/drivers/drivertest/tier"
	"wringer/faults/container"
	"wringer/scenarios"
	"wringer/scenarios/containers/imagetest"
)

// passwords is a file of htpasswd: the user `user` with the password `secret`.
const passwords = "user:$2b$12$DrHvJXjI3PlZO7SxWVW2leL6OLjYtvOERi5zYuLiOWodTlvfjdXUO\n"

// serveRegistry runs Debian's docker-registry on loopback, and returns its address.
func serveRegistry(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("docker-registry")
	if err != nil {
		t.Skip("docker-registry is missing: apt-get install docker-registry")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	dir := t.TempDir()
	config := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %q}}\nhttp: {addr: %q}\nauth: {htpasswd: {realm: test, path: %q}}\n",
		filepath.Join(dir, "data"), address, filepath.Join(dir, "htpasswd"))
	for name, text := range map[string]string{"htpasswd": passwords, "config.yml": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "serve", filepath.Join(dir, "config.yml"))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return address
		}
		if time.Now().After(end) {
			t.Fatalf("the registry does not listen: %s", said.String())
		}
	}
}

// login writes the Docker command's configuration, and makes it the one of the test.
func login(t *testing.T, config string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONFIG", dir)
}

func loggedIn(registry, user, password string) string {
	return fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, registry, base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
}

// pushed builds an image with a layer that no other has, pushes it and removes it here.
func pushed(t *testing.T, engine *container.Engine, image string) {
	t.Helper()
	blob := make([]byte, 8<<20)
	rand.Read(blob)
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for name, text := range map[string][]byte{"Dockerfile": []byte("FROM " + imagetest.Tool(t) + "\nCOPY blob /blob\n"), "blob": blob} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		w.Write(text)
	}
	w.Close()
	built, err := engine.ImageBuild(t.Context(), &archive, client.ImageBuildOptions{Tags: []string{image}, Remove: true, ForceRemove: true})
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, built.Body)
	built.Body.Close()
	auth, err := authconfig.Encode(registry.AuthConfig{Username: "user", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	pushing, err := engine.ImagePush(t.Context(), image, client.ImagePushOptions{RegistryAuth: auth})
	if err != nil {
		t.Fatal(err)
	}
	if err := pushing.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	remove := func(ctx context.Context) {
		_, _ = engine.ImageRemove(ctx, image, client.ImageRemoveOptions{Force: true, PruneChildren: true})
	}
	remove(t.Context())
	t.Cleanup(func() { remove(context.Background()) })
}

// Images are pulled with the login of the Docker command's configuration. What goes wrong is named.
func TestPullFromRegistry(t *testing.T) {
	tier.Slow(t, "pushes and pulls images")
	imagetest.Engine(t)
	engine, err := container.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	if !strings.HasPrefix(engine.Endpoint, "unix://") {
		t.Skip("the engine runs elsewhere: it cannot reach a registry on this machine's loopback")
	}
	address := serveRegistry(t)
	image := address + "/shop/tool:1"
	pushed(t, engine, image)
	p := &prepared{engine: engine}

	var mu sync.Mutex
	var steps []scenarios.StartStep
	env := scenarios.TargetEnv{Doing: func(s scenarios.StartStep) {
		mu.Lock()
		defer mu.Unlock()
		steps = append(steps, s)
	}}
	for name, c := range map[string]struct {
		config, image string
		words         []string
	}{
		"no login":       {"{}", image, []string{"cannot be pulled without a login", "no basic auth credentials", "log in to its registry"}},
		"wrong password": {loggedIn(address, "user", "wrong"), image, []string{"cannot be pulled as user", "unauthorized"}},
		"no helper":      {`{"credsStore": "absent-helper", "auths": {"` + address + `": {}}}`, image, []string{"without a login"}},
		"broken file":    {"{", image, []string{"the Docker command's configuration"}},
		"absent tag":     {loggedIn(address, "user", "secret"), address + "/shop/tool:2", []string{"cannot be pulled as user", "tool:2"}},
	} {
		t.Run(name, func(t *testing.T) {
			login(t, c.config)
			err := p.pull(t.Context(), c.image, env)
			if err == nil {
				t.Fatal("it was pulled")
			}
			for _, w := range c.words {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q is not in: %v", w, err)
				}
			}
		})
	}
	steps = nil
	login(t, loggedIn(address, "user", "secret"))
	if err := p.pull(t.Context(), image, env); err != nil {
		t.Fatal(err)
	}
	most := scenarios.StartStep{}
	for _, s := range steps {
		if s.Total > most.Total {
			most = s
		}
	}
	if last := steps[len(steps)-1]; !last.Ended || last.What != image || last.Verb != "pull" || most.Total < 8<<20 || most.Done > most.Total {
		t.Errorf("steps %+v", steps)
	}
	steps = nil
	if err := p.pull(t.Context(), image, env); err != nil || len(steps) > 0 {
		t.Errorf("an image that is there: %v, %+v", err, steps)
	}
}
