package runner

import (
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"wringer/scenarios/runner/host"
)

// fakeMachine has two cores, this process and a server that listens.
type fakeMachine fstest.MapFS

func (m fakeMachine) set(name, text string) { m[name] = &fstest.MapFile{Data: []byte(text)} }

func (m fakeMachine) at(programs, server int) {
	m.set("proc/stat", fmt.Sprintf("cpu  %d 0 0 0 0 0 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0\ncpu1 0 0 0 0 0 0 0 0 0 0\n", programs))
	m.set("proc/100/stat", "100 (wringer) S 1 70 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 77 0 0\n")
	m.set("proc/60/stat", fmt.Sprintf("60 (server) S 1 60 0 0 -1 0 0 0 0 0 %d 0 0 0 20 0 1 0 77 0 0\n", server))
}

func fakeMeter(t *testing.T, m fakeMachine, clock *time.Time, now time.Duration, r *reached) *meter {
	t.Helper()
	meter := newMeter(&host.Reader{Root: fstest.MapFS(m), PID: 100, Now: func() time.Time { return *clock }}, nil, r, now)
	if meter == nil {
		t.Fatal("no meter")
	}
	return meter
}

// A tick that comes late stands for all seconds that ended meanwhile. A last look that comes soon after says nothing new.
func TestAMeterMissesNoSecond(t *testing.T) {
	m, clock := fakeMachine{}, time.Now()
	m.at(0, 0)
	meter := fakeMeter(t, m, &clock, -1500*time.Millisecond, &reached{})
	for _, tick := range []struct {
		at, since time.Duration
		used      int
		last      bool
	}{
		{-995 * time.Millisecond, time.Second, 10, false},
		{5 * time.Millisecond, time.Second, 20, false},
		{6 * time.Millisecond, time.Millisecond, 20, false},
		{3005 * time.Millisecond, 3 * time.Second, 620, false}, // two ticks late
		{3020 * time.Millisecond, 15 * time.Millisecond, 630, true},
	} {
		m.at(tick.used, 0)
		clock = clock.Add(tick.since)
		meter.read(tick.at, tick.last)
	}
	for second := -2; second < 4; second++ {
		want := 2.0
		if second < 0 {
			want = 0.1
		}
		u, ok := meter.seconds[second]
		if !ok || u.Others < want*0.9 || u.Others > want*1.1 {
			t.Errorf("second %d: others %g, want %g", second, u.Others, want)
		}
	}
	for second, want := range map[int]bool{-2: false, -1: true, 0: true, 3: true, 4: true, 5: false} {
		if got := meter.busy(second); got != want {
			t.Errorf("second %d: busy %t", second, got)
		}
	}
	sum, rows := meter.sum(4*time.Second), meter.rows(4*time.Second)
	if sum.BusySeconds != 4 || sum.Cores != 2 || sum.ThrottledNS != nil || len(rows) != 4 || !rows[0].Busy || rows[3].StartNS != int64(3*time.Second) {
		t.Errorf("%+v, %+v", sum, rows)
	}
}

// A server that was started by hand is the target from the first look on that finds it.
func TestAMeterFindsTheTargetsProgram(t *testing.T) {
	m, clock := fakeMachine{}, time.Now()
	m.at(0, 0)
	at := netip.MustParseAddrPort("127.0.0.1:8080")
	r := &reached{all: []netip.AddrPort{at}}
	meter := fakeMeter(t, m, &clock, 0, r)
	if got := meter.lost(); !slices.Equal(got, []string{at.String()}) {
		t.Errorf("lost %v", got)
	}
	m.set("proc/100/net/tcp", "head\n 0: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0 0 0 11 1\n")
	m["proc/60/fd/3"] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("socket:[11]")}
	m.at(200, 190)
	meter.looked = meter.looked.Add(-2 * patience)
	clock = clock.Add(time.Second)
	meter.read(time.Second, false)
	if u := meter.seconds[0]; u.Target < 1.7 || u.Others > 0.2 || len(meter.lost()) != 0 {
		t.Errorf("%+v, lost %v", u, meter.lost())
	}
	// It ends, and another takes its place.
	delete(m, "proc/60/stat")
	delete(m, "proc/60/fd/3")
	m.set("proc/61/stat", "61 (server) S 1 61 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 99 0 0\n")
	clock = clock.Add(time.Second)
	meter.read(2*time.Second, false)
	m["proc/61/fd/3"] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("socket:[11]")}
	meter.looked = meter.looked.Add(-2 * patience)
	clock = clock.Add(time.Second)
	meter.read(3*time.Second, false)
	if !slices.Equal(meter.owners, []int{61}) || len(meter.lost()) != 0 {
		t.Errorf("owners %v, lost %v", meter.owners, meter.lost())
	}
}

// A machine that cannot be read has no meter, and nothing is told of it.
func TestNoMeter(t *testing.T) {
	m := newMeter(&host.Reader{Root: fstest.MapFS{}, PID: 100, Now: time.Now}, nil, &reached{}, 0)
	if m != nil {
		t.Fatal("a meter of nothing")
	}
	m.read(time.Second, true)
}

type remote struct {
	net.Conn
	at net.Addr
}

func (r remote) RemoteAddr() net.Addr { return r.at }

// Only what is on this machine can be found among its processes.
func TestReached(t *testing.T) {
	r := reached{own: func(a netip.Addr) bool { return a.String() == "192.168.1.5" }}
	for _, at := range []string{"127.0.0.1:80", "127.0.0.1:80", "10.0.0.9:80", "192.168.1.5:81", "[::1]:82"} {
		a, _ := net.ResolveTCPAddr("tcp", at)
		r.add(remote{at: a})
	}
	for range 2 {
		r.add(remote{at: &net.UnixAddr{Name: "/absent/x"}})
	}
	var got []string
	kept, paths, more := r.list()
	if !slices.Equal(slices.Compact(paths), []string{"/absent/x"}) {
		t.Errorf("paths %q", paths)
	}
	for _, a := range kept {
		got = append(got, a.String())
	}
	if !slices.Equal(got, []string{"127.0.0.1:80", "192.168.1.5:81", "[::1]:82"}) || more {
		t.Errorf("%v, more %t", got, more)
	}
	for port := range 2 * mostReached {
		r.add(remote{at: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1000 + port}})
	}
	if kept, _, more := r.list(); len(kept) != mostReached || !more {
		t.Errorf("%d kept, more %t", len(kept), more)
	}
	m, clock := fakeMachine{}, time.Now()
	m.at(0, 0)
	if lost := fakeMeter(t, m, &clock, 0, &r).lost(); !slices.Contains(lost, "more than 4096 addresses") {
		t.Errorf("%d lost, not told that there are more", len(lost))
	}
}

// A second may be busy until the one after it was read: nothing is certain before.
func TestASecondThatWasNotReadMayBeBusy(t *testing.T) {
	m, clock := fakeMachine{}, time.Now()
	m.at(0, 0)
	read := fakeMeter(t, m, &clock, -time.Second, &reached{})
	for i := range 4 {
		m.at(10*i, 0)
		clock = clock.Add(time.Second)
		read.read(time.Duration(i)*time.Second+5*time.Millisecond, false)
	}
	for second, want := range map[int]bool{0: false, 1: false, 2: true, 3: true, 9: true} {
		if read.busy(second) || read.mayBeBusy(second) != want {
			t.Errorf("second %d: busy %t, may be %t", second, read.busy(second), read.mayBeBusy(second))
		}
	}
	if (*meter)(nil).mayBeBusy(1) {
		t.Error("where nothing is read, nothing is busy")
	}
}
