package procfs

import (
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestParseSocket(t *testing.T) {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("the rows are those of a little-endian machine")
	}
	for row, want := range map[string]Socket{
		"0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000 0 0 4242 1":                                              {netip.MustParseAddrPort("127.0.0.1:8080"), netip.MustParseAddrPort("0.0.0.0:0"), Listen, 3, "4242"},
		"1: 020011AC:0050 010011AC:C350 01 00000000:00000010 00:00000000 00000000 0 0 0 1":                                                 {netip.MustParseAddrPort("172.17.0.2:80"), netip.MustParseAddrPort("172.17.0.1:50000"), Established, 16, "0"},
		"2: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 7 1": {netip.MustParseAddrPort("[::1]:80"), netip.MustParseAddrPort("[::]:0"), Listen, 0, "7"},
	} {
		got, ok := parseSocket(strings.Fields(row))
		if !ok || got != want {
			t.Errorf("%s: %+v %v, not %+v", row, got, ok, want)
		}
	}
	for _, row := range []string{
		"sl local_address rem_address st tx_queue rx_queue tr tm->when retrnsmt uid timeout inode",
		"", "0: x 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1",
		"0: 0100007F:1F90 00000000:0000 XX 00000000:00000000 00:00000000 00000000 0 0 1 1",
		"0: 0100007F:1F90 00000000:0000 0A 0 00:00000000 00000000 0 0 1 1",
	} {
		if s, ok := parseSocket(strings.Fields(row)); ok {
			t.Errorf("%q was read as %+v", row, s)
		}
	}
}

func TestWaits(t *testing.T) {
	for _, c := range []struct {
		s    Socket
		want bool
	}{
		{Socket{State: Established}, false}, {Socket{State: Established, Unread: 1}, true},
		{Socket{State: CloseWait, Unread: 1}, false}, {Socket{State: CloseWait, Unread: 2}, true},
		{Socket{State: Listen, Unread: 5}, false},
	} {
		if c.s.Waits() != c.want {
			t.Errorf("%+v: %v", c.s, !c.want)
		}
	}
}

// The kernel's own tables are read: what listens here is in them.
func TestSockets(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has /proc")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	own := l.Addr().(*net.TCPAddr).AddrPort()
	if !slices.ContainsFunc(Sockets(os.Getpid()), func(s Socket) bool { return s.State == Listen && s.Local == own }) {
		t.Errorf("%v is not among the sockets", own)
	}
	if Start(os.Getpid()) == 0 || Stat(os.Getpid(), Parent) == "" || len(Files(os.Getpid())) == 0 || !slices.Contains(All(), os.Getpid()) {
		t.Error("this process is not found")
	}
	if Start(-1) != 0 || Stat(-1, State) != "" || len(Files(-1)) != 0 || len(Sockets(-1)) != 0 {
		t.Error("a process that does not exist is found")
	}
}
