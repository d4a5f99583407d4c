package procfs

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Socket is a TCP socket as the kernel's tables show it.
type Socket struct {
	Local, Remote netip.AddrPort
	State         SocketState
	// Unread is the number of bytes that nobody has read. For a listener it is the length of its queue.
	Unread uint64
	// Inode is the socket's own; 0 if no process has the socket open: it waits to be accepted.
	Inode string
}

// SocketState is a state of TCP, as the kernel numbers them.
type SocketState uint8

// States of a socket.
const (
	Established SocketState = 0x01
	SynReceived SocketState = 0x03
	CloseWait   SocketState = 0x08
	Listen      SocketState = 0x0A
)

// Sockets lists the TCP sockets in the network namespace of a process. A table that cannot be read is left out.
func Sockets(pid int) (all []Socket) {
	for _, table := range []string{"tcp", "tcp6"} {
		file, err := os.Open(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(file); lines.Scan(); {
			if s, ok := parseSocket(strings.Fields(lines.Text())); ok {
				all = append(all, s)
			}
		}
		file.Close()
	}
	return all
}

// parseSocket reads one row of /proc/net/tcp (proc_net_tcp in the kernel's documentation).
func parseSocket(fields []string) (s Socket, ok bool) {
	const local, remote, state, queues, inode = 1, 2, 3, 4, 9
	if len(fields) <= inode {
		return s, false
	}
	var err error
	if s.Local, err = parseAddress(fields[local]); err != nil {
		return s, false
	}
	if s.Remote, err = parseAddress(fields[remote]); err != nil {
		return s, false
	}
	number, err := strconv.ParseUint(fields[state], 16, 8)
	if err != nil {
		return s, false
	}
	_, unread, _ := strings.Cut(fields[queues], ":")
	if s.Unread, err = strconv.ParseUint(unread, 16, 32); err != nil {
		return s, false
	}
	s.State, s.Inode = SocketState(number), fields[inode]
	return s, true
}

// parseAddress reads an address as the kernel writes it: words of the machine's order in hexadecimal digits, and the port.
func parseAddress(text string) (a netip.AddrPort, err error) {
	host, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	if err != nil || len(raw)%4 != 0 {
		return a, fmt.Errorf("%q is no address", text)
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	address, ok := netip.AddrFromSlice(raw)
	number, err := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil {
		return a, fmt.Errorf("%q is no address", text)
	}
	return netip.AddrPortFrom(address.Unmap(), uint16(number)), nil
}

// Waits says whether the socket holds something that its process has not read.
func (s *Socket) Waits() bool {
	switch s.State {
	case Established:
		return s.Unread > 0
	case CloseWait:
		// The peer's FIN counts as one byte: alone it is no request.
		return s.Unread > 1
	}
	return false
}

// NoRoute counts the packets that could not leave the network namespace of a process for want of a route, since it was made; 0 if
// it cannot be read.
func NoRoute(pid int) int64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/snmp", pid))
	if err != nil {
		return 0
	}
	// Each protocol has a line of names and a line of values.
	var names []string
	for line := range strings.Lines(string(raw)) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || fields[0] != "Ip:":
		case names == nil:
			names = fields
		default:
			if at := slices.Index(names, "OutNoRoutes"); at >= 0 && at < len(fields) {
				n, _ := strconv.ParseInt(fields[at], 10, 64)
				return n
			}
		}
	}
	return 0
}
