package packets

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"syscall"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"
)

// chainName is the name of the one chain of a table.
const chainName = "counted"

// inNamespace calls do with the packet filter of a process's network namespace; of this process's own for the pid Own.
func inNamespace(pid int, do func(*nftables.Conn) error) error {
	options := []nftables.ConnOption{nftables.AsLasting()}
	if pid != Own {
		namespace, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
		if err != nil {
			return err
		}
		defer namespace.Close()
		options = append(options, nftables.WithNetNSFd(int(namespace.Fd())))
	}
	c, err := nftables.New(options...)
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%w: run as root, or with the capabilities NET_ADMIN and SYS_ADMIN", err)
	}
	if err != nil {
		return err
	}
	return errors.Join(do(c), c.CloseLasting())
}

// Reachable returns nil if packets can be counted and dropped in the namespace of a process.
func Reachable(pid int) error {
	return inNamespace(pid, func(c *nftables.Conn) error {
		_, err := c.ListTablesOfFamily(nftables.TableFamilyINet)
		return err
	})
}

// Install makes a table with its rules, in place of one that is there.
func Install(pid int, t Table) error {
	return inNamespace(pid, func(c *nftables.Conn) error {
		table := &nftables.Table{Family: nftables.TableFamilyINet, Name: t.Name}
		// To remove what is not there is an error: it is made first. All of it happens at once.
		c.AddTable(table)
		c.DelTable(table)
		c.AddTable(table)
		hook := nftables.ChainHookOutput
		if t.arriving() {
			hook = nftables.ChainHookPrerouting
		}
		// Before the engine leads questions for names to its own server.
		chain := c.AddChain(&nftables.Chain{Name: chainName, Table: table, Type: nftables.ChainTypeFilter, Hooknum: hook, Priority: nftables.ChainPriorityRaw})
		for i, r := range t.Rules {
			of := userdata.AppendString(nil, userdata.TypeComment, strconv.Itoa(i))
			for _, matches := range r.matches() {
				c.AddRule(&nftables.Rule{Table: table, Chain: chain, UserData: of, Exprs: r.counts(matches)})
			}
		}
		return c.Flush()
	})
}

// matches are the ways in which a packet is one of the rule's. No packet is one in two ways.
func (r Rule) matches() [][]expr.Any {
	switch {
	case r.From.IsValid():
		return [][]expr.Any{address(r.From, 12, 8)}
	case r.To.IsValid():
		return [][]expr.Any{address(r.To, 16, 24)}
	}
	all := [][]expr.Any{asks(unix.IPPROTO_UDP, nil, udpHeader, r.Question)}
	for _, header := range tcpHeaders {
		// The upper half of a byte is the header's length in words of 32 bits.
		long := []expr.Any{
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 12, Len: 1},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{0xf0}, Xor: []byte{0}},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{byte(header / 4 << 4)}},
		}
		all = append(all, asks(unix.IPPROTO_TCP, long, header+tcpLength, r.Question))
	}
	return all
}

// counts counts the packets that match, and drops them if the rule does.
func (r Rule) counts(matches []expr.Any) []expr.Any {
	matches = append(matches, &expr.Counter{})
	if r.Drop {
		matches = append(matches, &expr.Verdict{Kind: expr.VerdictDrop})
	}
	return matches
}

// address matches the address that stands at one offset of an IPv4 header, and at another of an IPv6 header.
func address(a netip.Addr, in4, in6 uint32) []expr.Any {
	protocol, offset := byte(unix.NFPROTO_IPV4), in4
	if a.Is6() {
		protocol, offset = unix.NFPROTO_IPV6, in6
	}
	return append([]expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{protocol}},
	}, holds(expr.PayloadBaseNetworkHeader, offset, a.AsSlice())...)
}

// The port of DNS, and the lengths of headers in bytes.
const (
	dnsPort   = 53
	dnsHeader = 12
	udpHeader = 8
	tcpLength = 2 // of the message, before its header
)

// tcpHeaders are the headers of TCP that the first data of a connection from Linux has: without options, and with timestamps. Kernels
// before 5.16 find the data by no other way.
var tcpHeaders = []uint32{20, 32}

// asks matches questions for a name, whose message begins at an offset behind the protocol's header. also are further conditions.
func asks(protocol byte, also []expr.Any, offset uint32, name string) []expr.Any {
	all := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{protocol}},
	}
	all = append(all, holds(expr.PayloadBaseTransportHeader, 2, binaryutil.BigEndian.PutUint16(dnsPort))...)
	all = append(all, also...)
	return append(all, holds(expr.PayloadBaseTransportHeader, offset+dnsHeader, question(name))...)
}

// mostCompared is how many bytes the kernel compares at once.
const mostCompared = 16

// holds matches packets that hold the bytes at an offset.
func holds(base expr.PayloadBase, offset uint32, raw []byte) (all []expr.Any) {
	for at := 0; at < len(raw); at += mostCompared {
		piece := raw[at:min(at+mostCompared, len(raw))]
		all = append(all,
			&expr.Payload{DestRegister: 1, Base: base, Offset: offset + uint32(at), Len: uint32(len(piece))},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: piece})
	}
	return all
}

// Counters reads what each rule has counted, in the order of the rules.
func Counters(pid int, name string) (all []Tally, err error) {
	err = inNamespace(pid, func(c *nftables.Conn) error {
		table := &nftables.Table{Family: nftables.TableFamilyINet, Name: name}
		rules, err := c.GetRules(table, &nftables.Chain{Name: chainName, Table: table})
		for _, r := range rules {
			text, _ := userdata.GetString(r.UserData, userdata.TypeComment)
			i, bad := strconv.Atoi(text)
			if bad != nil || i < 0 || i > len(all) {
				return errors.Join(err, fmt.Errorf("table %s: rule %q is not one of this program's", name, text))
			}
			if i == len(all) {
				all = append(all, Tally{})
			}
			for _, e := range r.Exprs {
				if n, ok := e.(*expr.Counter); ok {
					all[i].Packets, all[i].Bytes = all[i].Packets+n.Packets, all[i].Bytes+n.Bytes
				}
			}
		}
		return err
	})
	return all, err
}

// Exists says whether the table is there.
func Exists(pid int, name string) (found bool, err error) {
	err = inNamespace(pid, func(c *nftables.Conn) error {
		tables, err := c.ListTablesOfFamily(nftables.TableFamilyINet)
		for _, t := range tables {
			found = found || t.Name == name
		}
		return err
	})
	return found, err
}

// Remove removes the table. It is idempotent.
func Remove(pid int, name string) error {
	err := inNamespace(pid, func(c *nftables.Conn) error {
		c.DelTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: name})
		return c.Flush()
	})
	if errors.Is(err, syscall.ENOENT) {
		return nil
	}
	return err
}
