package host

import (
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"testing"
	"testing/fstest"
)

const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

// socket is a line of /proc/net/tcp.
func socket(own, other, state, inode string) string {
	return "   0: " + own + " " + other + " " + state + " 00000000:00000000 00:00000000 00000000  1000        0 " + inode + " 1 0000 100 0 0 10 0\n"
}

// holds gives a process a socket.
func (t tree) holds(pid int, name, inode string) tree {
	t[fmt.Sprintf("proc/%d/fd/%s", pid, inode)] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("socket:[" + inode + "]")}
	return t.file(fmt.Sprintf("proc/%d/comm", pid), name+"\n")
}

func TestOwners(t *testing.T) {
	line := func(at, state, inode string) string { return socket(at, "00000000:0000", state, inode) }
	files := tree{}.file("proc/100/net/tcp", head+line("0100007F:1F90", "0A", "11")+line("0100007F:1F91", "01", "12")+line("00000000:1F92", "0A", "13")+line("0100007F:1F94", "0A", "15")).
		file("proc/100/net/tcp6", head+line("00000000000000000000000001000000:1F93", "0A", "14")+line("00000000000000000000000000000000:1F95", "0A", "16"))
	files.holds(60, "nginx", "11").holds(61, "nginx", "11").holds(62, "app", "13").holds(63, "six", "14").
		holds(64, "docker-proxy", "15").holds(65, "both", "16")
	r := Reader{Root: fstest.MapFS(files), PID: self}
	for at, want := range map[string][]int{
		"127.0.0.1:8080":          {60, 61}, // two that share it
		"127.0.0.1:8081":          nil,      // a connection, no listener
		"127.0.0.1:8082":          {62},     // every address
		"[::ffff:127.0.0.1]:8082": {62},
		"[::1]:8083":              {63},
		"127.0.0.1:8083":          nil,  // the other family
		"127.0.0.1:8084":          nil,  // a container's
		"127.0.0.1:8085":          {65}, // both families
		"127.0.0.1:9":             nil,
	} {
		pids, unowned := r.Owners([]netip.AddrPort{netip.MustParseAddrPort(at)}, nil, &Reading{})
		if !slices.Equal(pids, want) || (len(unowned) == 1) != (want == nil) {
			t.Errorf("%s: %v, unowned %v, want %v", at, pids, unowned, want)
		}
	}
}

// What the target is connected to on this machine is a part of the target, however far behind. Who connects to the target, and
// what another program is connected to, is not.
func TestWhatStandsBehindTheTargetBelongsToIt(t *testing.T) {
	const app, db, disk, cache, client, stranger = "0100007F:1F90", "0100007F:1538", "0100007F:2000", "0100007F:18EB", "0100007F:C001", "0100007F:2222"
	pair := func(from, to, inode, twin string) string {
		return socket(from, to, "01", inode) + socket(to, from, "01", twin)
	}
	listen := func(at, inode string) string { return socket(at, "00000000:0000", "0A", inode) }
	files := tree{}.cpu(0, 0, 0).process(self, 1, 70, 0, 0).process(60, 1, 60, 0, 0).process(61, 60, 60, 0, 0).process(70, 1, 71, 0, 0).
		process(80, 1, 80, 0, 0).process(90, 1, 90, 0, 0).process(91, 1, 91, 0, 0)
	files.file("proc/100/net/tcp", head+listen(app, "1")+listen(db, "2")+listen(disk, "3")+listen(cache, "4")+listen(stranger, "5")+
		pair(client, app, "10", "11")+ // a client of the target
		pair("0100007F:C002", db, "12", "13")+ // from the target's worker
		pair("0100007F:C003", disk, "14", "15")+ // from the database
		pair("0100007F:C004", cache, "16", "17")+ // to what a proxy forwards
		pair("0100007F:C005", stranger, "18", "19")+ // from the client
		socket("0500A8C0:C006", "0900000A:2222", "01", "20")) // to another machine's port of the same number
	files.holds(60, "app", "1").holds(61, "app", "11").holds(61, "app", "12").holds(61, "app", "16").holds(61, "app", "20").
		holds(70, "db", "2").holds(70, "db", "13").holds(70, "db", "14").holds(80, "disk", "3").holds(80, "disk", "15").
		holds(90, "client", "10").holds(90, "client", "18").holds(91, "stranger", "5").holds(91, "stranger", "19").holds(92, "docker-proxy", "4")
	var r Reader
	last := read(t, &r, files, 0)
	pids, unowned := r.Owners([]netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:8080")}, nil, last)
	if want := []int{60, 70, 80}; !slices.Equal(pids, want) {
		t.Errorf("owners %v, want %v", pids, want)
	}
	if len(unowned) != 1 || unowned[0].String() != "127.0.0.1:6379" {
		t.Errorf("unowned %v", unowned)
	}
}

// in puts a process into a network namespace.
func (t tree) in(pid int, space string) tree {
	t[fmt.Sprintf("proc/%d/ns/net", pid)] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("net:[" + space + "]")}
	return t
}

// What stands behind the target in another network namespace belongs to it: by the address of a bridge, and behind a forwarder of
// one port. Addresses of the loopback interface are others there.
func TestOwnersInOtherNamespaces(t *testing.T) {
	const app, published, loop = "0100007F:1F90", "0100007F:18EB", "0100007F:1538"
	const bridge, db, cache = "010011AC:C001", "020011AC:1538", "030011AC:18EB" // 172.17.0.1 to .3
	files := tree{}.cpu(0, 0, 0)
	for pid, space := range map[int]string{self: "1", 60: "1", 61: "1", 70: "2", 71: "2", 80: "3", 90: "2"} {
		files.process(pid, 1, pid, 0, 0).in(pid, space)
	}
	listen := func(at, inode string) string { return socket(at, "00000000:0000", "0A", inode) }
	files.file("proc/100/net/tcp", head+listen(app, "1")+listen(published, "2")+
		socket(bridge, db, "01", "10")+ // from the target
		socket("0100007F:C002", published, "01", "11")+socket(published, "0100007F:C002", "01", "12")+ // from the target to the forwarder
		socket("010011AC:C003", cache, "01", "13")+ // from the forwarder
		socket("0100007F:C004", loop, "01", "14")) // the target's, to nobody that is seen
	for _, pid := range []int{70, 71, 90} {
		files.file(fmt.Sprintf("proc/%d/net/tcp", pid), head+listen("00000000:1538", "3")+socket(db, bridge, "01", "15")+
			listen(loop, "4")+socket(loop, "0100007F:C004", "01", "16")) // the same numbers, another connection
	}
	files.file("proc/80/net/tcp", head+listen("00000000:18EB", "5")+socket(cache, "010011AC:C003", "01", "17"))
	files.holds(60, "app", "1").holds(60, "app", "10").holds(60, "app", "11").holds(60, "app", "14").
		holds(61, "docker-proxy", "2").holds(61, "docker-proxy", "12").holds(61, "docker-proxy", "13").
		holds(70, "db", "3").holds(70, "db", "15").holds(80, "cache", "5").holds(80, "cache", "17").holds(90, "stranger", "4").holds(90, "stranger", "16")
	var r Reader
	last := read(t, &r, files, 0)
	pids, unowned := r.Owners([]netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:8080")}, nil, last)
	if want := []int{60, 70, 80}; !slices.Equal(pids, want) || len(unowned) > 0 {
		t.Errorf("owners %v, want %v; unowned %v", pids, want, unowned)
	}
}

// What this process is connected to in another namespace is the target, without an address of this machine that would tell it.
func TestOwnersOfAContainerByItsAddress(t *testing.T) {
	files := tree{}.cpu(0, 0, 0).process(self, 1, self, 0, 0).process(70, 1, 70, 0, 0).in(self, "1").in(70, "2")
	files.file("proc/100/net/tcp", head+socket("010011AC:C001", "020011AC:1538", "01", "10")).
		file("proc/70/net/tcp", head+socket("00000000:1538", "00000000:0000", "0A", "3")+socket("020011AC:1538", "010011AC:C001", "01", "15"))
	files.holds(self, "wringer", "10").holds(70, "db", "3").holds(70, "db", "15")
	var r Reader
	last := read(t, &r, files, 0)
	if pids, _ := r.Owners(nil, nil, last); !slices.Equal(pids, []int{70}) {
		t.Errorf("owners %v", pids)
	}
}
