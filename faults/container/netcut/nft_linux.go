package netcut

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// chainName is the name of the one chain of a table.
const chainName = "arrivals"

// inNamespace calls do with the packet filter of a process's network namespace.
func inNamespace(pid int, do func(*nftables.Conn) error) error {
	namespace, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return err
	}
	defer namespace.Close()
	c, err := nftables.New(nftables.WithNetNSFd(int(namespace.Fd())), nftables.AsLasting())
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%w: run as root, or with the capabilities NET_ADMIN and SYS_ADMIN", err)
	}
	if err != nil {
		return err
	}
	return errors.Join(do(c), c.CloseLasting())
}

// reachable returns nil if packets can be dropped in the namespace of a process.
func reachable(pid int) error {
	return inNamespace(pid, func(c *nftables.Conn) error {
		_, err := c.ListTablesOfFamily(nftables.TableFamilyINet)
		return err
	})
}

// install makes the table that drops the packets of each source as they arrive, in place of one that is there.
func install(pid int, name string, sources []source) error {
	return inNamespace(pid, func(c *nftables.Conn) error {
		table := &nftables.Table{Family: nftables.TableFamilyINet, Name: name}
		// To remove what is not there is an error: it is made first. All of it happens at once.
		c.AddTable(table)
		c.DelTable(table)
		c.AddTable(table)
		chain := c.AddChain(&nftables.Chain{
			Name: chainName, Table: table, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityRaw,
		})
		for _, s := range sources {
			c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: dropFrom(s)})
		}
		return c.Flush()
	})
}

// dropFrom counts and drops the packets of a source.
func dropFrom(s source) []expr.Any {
	protocol, offset := byte(unix.NFPROTO_IPV4), uint32(12) // of the source in the header
	if s.address.Is6() {
		protocol, offset = unix.NFPROTO_IPV6, 8
	}
	raw := s.address.AsSlice()
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{protocol}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: uint32(len(raw))},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: raw},
		&expr.Counter{},
		&expr.Verdict{Kind: expr.VerdictDrop},
	}
}

// counters reads what each rule has dropped, in the order of the sources.
func counters(pid int, name string) (all []tally, err error) {
	err = inNamespace(pid, func(c *nftables.Conn) error {
		table := &nftables.Table{Family: nftables.TableFamilyINet, Name: name}
		rules, err := c.GetRules(table, &nftables.Chain{Name: chainName, Table: table})
		for _, r := range rules {
			for _, e := range r.Exprs {
				if n, ok := e.(*expr.Counter); ok {
					all = append(all, tally{n.Packets, n.Bytes})
				}
			}
		}
		return err
	})
	return all, err
}

// exists says whether the table is there.
func exists(pid int, name string) (found bool, err error) {
	err = inNamespace(pid, func(c *nftables.Conn) error {
		tables, err := c.ListTablesOfFamily(nftables.TableFamilyINet)
		for _, t := range tables {
			found = found || t.Name == name
		}
		return err
	})
	return found, err
}

// remove removes the table. It is idempotent.
func remove(pid int, name string) error {
	err := inNamespace(pid, func(c *nftables.Conn) error {
		c.DelTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: name})
		return c.Flush()
	})
	if errors.Is(err, syscall.ENOENT) {
		return nil
	}
	return err
}
