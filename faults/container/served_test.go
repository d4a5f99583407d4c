package container

import (
	"net"
	"path/filepath"
	"slices"
	"testing"
)

// An engine in this process's own container publishes ports on its loopback, though there is a gateway.
func TestHostOfAnEngineBesideThisProcess(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if hosts := (endpoint{url: "unix://" + socket}).hosts(); !slices.Equal(hosts, []string{"127.0.0.1"}) {
		t.Errorf("hosts %q", hosts)
	}
	if servedHere(socket + "-absent") {
		t.Error("a socket that is not there is served here")
	}
	if hosts := (endpoint{url: "tcp://engine:2375"}).hosts(); !slices.Equal(hosts, []string{"engine"}) {
		t.Errorf("hosts %q", hosts)
	}
}
