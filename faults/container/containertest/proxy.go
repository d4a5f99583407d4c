package containertest

import (
	"cmp"
	"context"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/moby/moby/client"
)

// Proxy makes the engine's socket reachable over TCP, as a remote engine is, and returns the address. It serves until the process
// ends: testcontainers-go keeps the address of the engine that it found first.
func Proxy(t testing.TB) string {
	t.Helper()
	socket, ok := strings.CutPrefix(cmp.Or(os.Getenv("DOCKER_HOST"), "unix:///var/run/docker.sock"), "unix://")
	if !ok {
		t.Skip("no container engine at a socket: " + os.Getenv("DOCKER_HOST"))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go join(context.Background(), c.(*net.TCPConn), socket)
		}
	}()
	return l.Addr().String()
}

// AddressOf is the address of a container in the network of the lab.
func AddressOf(t testing.TB, l *Lab, b *Box) string {
	t.Helper()
	inspected, err := l.Engine.ContainerInspect(t.Context(), b.ID(), client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return inspected.Container.NetworkSettings.Networks[l.network].IPAddress.String()
}

// join hands on both halves of a connection, each until its own end.
func join(ctx context.Context, c *net.TCPConn, socket string) {
	defer c.Close()
	engine, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer engine.Close()
	defer context.AfterFunc(ctx, func() {
		c.Close()
		engine.Close()
	})()
	to := engine.(*net.UnixConn)
	var half sync.WaitGroup
	half.Go(func() {
		_, _ = io.Copy(to, c)
		_ = to.CloseWrite()
	})
	_, _ = io.Copy(c, to)
	_ = c.CloseWrite()
	half.Wait()
}
