package process

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"syscall"
)

// Ports finds n consecutive free ports on loopback, and returns the first. They lie outside the kernel's range of outgoing
// ports. Otherwise a client that dials a dead server's port can get that port as its own. It is then connected to itself,
// and keeps the server from coming back.
func Ports(n int) (int, error) {
	const lowest, tries = 10_000, 1000
	highest := firstOutgoing()
	for range tries {
		base := lowest + rand.IntN(highest-lowest-n)
		if free(base, n) {
			awaitForks()
			return base, nil
		}
	}
	return 0, fmt.Errorf("find %d free ports that follow each other from %d to %d: none in %d tries", n, lowest, highest, tries)
}

// firstOutgoing is the start of the kernel's range of outgoing ports.
func firstOutgoing() int {
	const usual = 32768
	raw, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return usual
	}
	var first int
	if _, err := fmt.Sscan(string(raw), &first); err != nil || first < 12_000 {
		return usual
	}
	return first
}

// awaitForks waits until the programs that are being started run. Until then they hold copies of the listeners of free, and
// nothing else can listen there.
func awaitForks() {
	syscall.ForkLock.Lock()
	defer syscall.ForkLock.Unlock()
}

func free(base, n int) bool {
	for port := base; port < base+n; port++ {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return false
		}
		defer l.Close()
	}
	return true
}
