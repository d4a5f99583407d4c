package extending

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"wringer/drivers"
	"wringer/drivers/drivertest"
	"wringer/scenarios"
)

// lineService is a service of the line protocol that misbehaves when it is told to.
type lineService struct {
	address  string
	mode     atomic.Value // drivertest.Behaviour
	received atomic.Int64

	mu    sync.Mutex
	inlet net.Listener
	conns map[net.Conn]bool
	all   sync.WaitGroup
}

func (s *lineService) listen(t testing.TB, address string) {
	inlet, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.inlet, s.address, s.conns = inlet, inlet.Addr().String(), make(map[net.Conn]bool)
	s.mu.Unlock()
	s.all.Go(func() {
		for {
			conn, err := inlet.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns[conn] = true
			s.mu.Unlock()
			s.all.Go(func() { s.serve(conn) })
		}
	})
}

func (s *lineService) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		if _, err := in.ReadString('\n'); err != nil {
			return
		}
		s.received.Add(1)
		switch s.mode.Load().(drivertest.Behaviour) {
		case drivertest.Answer:
			io.WriteString(conn, "OK\n")
		case drivertest.Reject:
			io.WriteString(conn, "NO it is there already\n")
		case drivertest.Fail:
			io.WriteString(conn, "ERR the disk is full\n")
		case drivertest.Garbage:
			io.WriteString(conn, "\x00\x01\x02\n")
		case drivertest.Endless:
			io.WriteString(conn, strings.Repeat("x", 2*longestLine))
		case drivertest.Cut:
			io.WriteString(conn, "O")
			return
		case drivertest.Close:
			return
		case drivertest.Reset:
			conn.(*net.TCPConn).SetLinger(0)
			return
		case drivertest.Hang:
			io.Copy(io.Discard, in)
			return
		}
	}
}

// behave makes the service behave so from now on.
func (s *lineService) behave(t testing.TB, b drivertest.Behaviour) {
	down := s.mode.Swap(b) == drivertest.Nobody
	switch {
	case b == drivertest.Nobody:
		s.close()
	case down:
		s.listen(t, s.address)
	}
}

func (s *lineService) close() {
	s.mu.Lock()
	s.inlet.Close()
	for conn := range s.conns {
		conn.Close()
	}
	s.mu.Unlock()
	s.all.Wait()
}

// TestLineDriver holds the driver to the suite that every driver passes.
func TestLineDriver(t *testing.T) {
	drivertest.Run(t, drivertest.Subject{Start: func(t testing.TB) drivertest.Target {
		s := new(lineService)
		s.mode.Store(drivertest.Answer)
		s.listen(t, "127.0.0.1:0")
		return drivertest.Target{
			Config:   &LineConfig{Address: s.address},
			Behave:   func(b drivertest.Behaviour) { s.behave(t, b) },
			Received: s.received.Load,
			Close:    s.close,
		}
	}})
}

// TestLineInAScenario: one line in the table makes the driver a part of the language.
func TestLineInAScenario(t *testing.T) {
	language := scenarios.Language{Drivers: map[string]func() drivers.Config{
		"line": func() drivers.Config { return new(LineConfig) },
	}}
	src := `name: lines
run: {duration: 10s}
traffic:
  lines: {line: {address: "127.0.0.1:7000"}, rate: 100/s}
`
	sc, err := scenarios.Parse("lines.yaml", []byte(src), language, scenarios.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if c := sc.Traffic[0].Driver.(*LineConfig); c.Address != "127.0.0.1:7000" {
		t.Errorf("the address is %q", c.Address)
	}
	if _, err := scenarios.Parse("lines.yaml", []byte(strings.Replace(src, ":7000", "", 1)), language, scenarios.Options{}); err == nil {
		t.Error("an address without a port was accepted")
	}
}
