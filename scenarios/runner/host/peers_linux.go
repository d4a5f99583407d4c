package host

import (
	"encoding/binary"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Of the kernel's linux/unix_diag.h.
const (
	showPeer      = 4
	peerAttribute = 2
	messageSize   = 16
)

// peersLimit bounds the wait for the kernel.
const peersLimit = time.Second

// unixPeers asks the kernel for the peers of the connected Unix sockets in this network namespace, by inode (sock_diag(7)). nil: it
// does not tell.
func unixPeers() map[string]string {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	wait := unix.NsecToTimeval(int64(peersLimit))
	if unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait) != nil || unix.Sendto(fd, askForPeers(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}) != nil {
		return nil
	}
	peers, buffer := make(map[string]string), make([]byte, 1<<16)
	for {
		n, _, err := unix.Recvfrom(fd, buffer, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil
		}
		messages, err := syscall.ParseNetlinkMessage(buffer[:n])
		if err != nil {
			return nil
		}
		for i := range messages {
			switch messages[i].Header.Type {
			case unix.NLMSG_DONE:
				return peers
			case unix.NLMSG_ERROR:
				return nil
			}
			addPeer(peers, messages[i].Data)
		}
	}
}

// askForPeers is the request: a header, and struct unix_diag_req.
func askForPeers() []byte {
	b := make([]byte, unix.SizeofNlMsghdr, unix.SizeofNlMsghdr+24)
	b = append(b, unix.AF_UNIX, 0, 0, 0)
	b = binary.NativeEndian.AppendUint32(b, 1<<unix.BPF_TCP_ESTABLISHED)
	b = binary.NativeEndian.AppendUint32(b, 0)
	b = binary.NativeEndian.AppendUint32(b, showPeer)
	b = append(b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], unix.SOCK_DIAG_BY_FAMILY)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	return b
}

// addPeer takes an answer: struct unix_diag_msg, with the inode behind four bytes, and attributes.
func addPeer(peers map[string]string, b []byte) {
	if len(b) < messageSize {
		return
	}
	inode := binary.NativeEndian.Uint32(b[4:])
	for b = b[messageSize:]; len(b) >= unix.SizeofNlAttr; {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.SizeofNlAttr || size > len(b) {
			return
		}
		if binary.NativeEndian.Uint16(b[2:]) == peerAttribute && size >= unix.SizeofNlAttr+4 {
			peer := binary.NativeEndian.Uint32(b[unix.SizeofNlAttr:])
			peers[strconv.FormatUint(uint64(inode), 10)] = strconv.FormatUint(uint64(peer), 10)
		}
		b = b[min((size+3)&^3, len(b)):]
	}
}
