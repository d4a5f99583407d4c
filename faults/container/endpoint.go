package container

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// endpoint is one place where an engine may answer.
type endpoint struct {
	url   string
	from  string // what named it
	certs string // the folder of ca.pem, cert.pem and key.pem; empty without TLS
}

// String tells where it is, and what named it.
func (e endpoint) String() string { return e.url + " (" + e.from + ")" }

func (e endpoint) file(name string) string { return filepath.Join(e.certs, name) }

// defaultSocket is Docker's own.
const defaultSocket = "/var/run/docker.sock"

// endpoints are the places to try, in turn: the one that the user named, else the usual sockets that exist. An error says that a
// named context cannot be read.
func endpoints() ([]endpoint, error) {
	if host := os.Getenv("DOCKER_HOST"); host != "" {
		e := endpoint{url: host, from: "DOCKER_HOST"}
		if os.Getenv("DOCKER_TLS_VERIFY") != "" {
			e.certs = os.Getenv("DOCKER_CERT_PATH")
			if e.certs == "" {
				e.certs = dockerFolder()
			}
		}
		return []endpoint{e}, errors.Join(e.supported(), e.whole())
	}
	named, err := chosenContext()
	if named != nil || err != nil {
		return []endpoint{*named}, err
	}
	var all []endpoint
	for _, s := range sockets() {
		if info, err := os.Stat(s.path); err == nil && info.Mode().Type() == fs.ModeSocket {
			all = append(all, endpoint{url: "unix://" + s.path, from: "the usual socket of " + s.of})
		}
	}
	return all, nil
}

// supported refuses the schemes that need a helper of the Docker command.
func (e endpoint) supported() error {
	if strings.HasPrefix(e.url, "ssh://") {
		return fmt.Errorf("%s (%s): ssh is not supported; forward the socket (ssh -L /tmp/docker.sock:%s HOST) and set DOCKER_HOST=unix:///tmp/docker.sock", e.url, e.from, defaultSocket)
	}
	return nil
}

// socket is where an engine listens by default.
type socket struct{ of, path string }

// sockets lists where Docker, Docker Desktop, Podman and Colima listen by default.
func sockets() []socket {
	all := []socket{{"Docker", defaultSocket}}
	// A shell that no login began does not know XDG_RUNTIME_DIR.
	dir := cmp.Or(os.Getenv("XDG_RUNTIME_DIR"), fmt.Sprintf("/run/user/%d", os.Getuid()))
	all = append(all, socket{"rootless Docker", filepath.Join(dir, "docker.sock")}, socket{"rootless Podman", filepath.Join(dir, "podman/podman.sock")})
	if home, err := os.UserHomeDir(); err == nil {
		for _, s := range []socket{
			{"Docker Desktop", ".docker/run/docker.sock"}, {"Docker Desktop", ".docker/desktop/docker.sock"},
			{"Colima", ".colima/default/docker.sock"}, {"Colima", ".config/colima/default/docker.sock"},
			{"Podman", ".local/share/containers/podman/machine/podman.sock"},
		} {
			all = append(all, socket{s.of, filepath.Join(home, s.path)})
		}
	}
	return append(all, socket{"Podman", "/run/podman/podman.sock"})
}

// dockerFolder is the folder of the Docker command's configuration.
func dockerFolder() string {
	if dir := os.Getenv("DOCKER_CONFIG"); dir != "" {
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ".docker"
	}
	return filepath.Join(home, ".docker")
}

// chosenContext is the endpoint of the Docker command's context, if one is chosen; nil for the default context.
func chosenContext() (*endpoint, error) {
	name, from := os.Getenv("DOCKER_CONTEXT"), "DOCKER_CONTEXT"
	if name == "" {
		var config struct{ CurrentContext string }
		raw, err := os.ReadFile(filepath.Join(dockerFolder(), "config.json"))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, nil
		case err != nil:
			return &endpoint{}, err
		}
		if err := json.Unmarshal(raw, &config); err != nil {
			return &endpoint{}, fmt.Errorf("%s: %w", filepath.Join(dockerFolder(), "config.json"), err)
		}
		name, from = config.CurrentContext, "the current context"
	}
	if name == "" || name == "default" {
		return nil, nil
	}
	return readContext(name, from+" "+name)
}

// readContext reads a context as the Docker command stores it: a folder named by the hash of the context's name.
func readContext(name, from string) (*endpoint, error) {
	hash := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(hash[:])
	raw, err := os.ReadFile(filepath.Join(dockerFolder(), "contexts/meta", id, "meta.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return &endpoint{}, fmt.Errorf("%s: there is no such context in %s: choose one of docker context ls", from, dockerFolder())
	}
	if err != nil {
		return &endpoint{}, fmt.Errorf("%s: %w", from, err)
	}
	var meta struct {
		Endpoints map[string]struct {
			Host          string
			SkipTLSVerify bool
		}
	}
	if err := json.Unmarshal(raw, &meta); err != nil {
		return &endpoint{}, fmt.Errorf("%s: %w", from, err)
	}
	e := &endpoint{url: meta.Endpoints["docker"].Host, from: from}
	if e.url == "" {
		return e, fmt.Errorf("%s names no Docker endpoint", from)
	}
	if meta.Endpoints["docker"].SkipTLSVerify {
		return e, fmt.Errorf("%v: skip-tls-verify is not supported: give the context the ca of the engine's certificate", e)
	}
	certs := filepath.Join(dockerFolder(), "contexts/tls", id, "docker")
	if _, err := os.Stat(certs); err == nil {
		e.certs = certs
	}
	return e, errors.Join(e.supported(), e.whole())
}

// whole says which of the three files of TLS is missing.
func (e endpoint) whole() error {
	if e.certs == "" {
		return nil
	}
	for _, name := range []string{"ca.pem", "cert.pem", "key.pem"} {
		if _, err := os.Stat(e.file(name)); err != nil {
			return fmt.Errorf("%v: TLS needs a ca, a certificate and its key: %w", e, err)
		}
	}
	return nil
}

// defaultGateway is the gateway to the machine that runs this process's container; empty outside of a container.
func defaultGateway() string {
	if _, err := os.Stat("/.dockerenv"); err != nil || runtime.GOOS != "linux" {
		return ""
	}
	file, err := os.Open("/proc/net/route")
	if err != nil {
		return ""
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		// Interface, destination and gateway; the addresses are the kernel's words in hexadecimal digits.
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 || fields[1] != "00000000" {
			continue
		}
		word, err := hex.DecodeString(fields[2])
		if err != nil || len(word) != 4 {
			continue
		}
		var address [4]byte
		binary.NativeEndian.PutUint32(address[:], binary.BigEndian.Uint32(word))
		return netip.AddrFrom4(address).String()
	}
	return ""
}
