package packets

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inside calls do on a thread in a network namespace of its own, whose loopback is up, and gives it the process that holds it.
func inside(t *testing.T, do func(pid int)) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("no container engine's rights: packets are dropped by root alone")
	}
	holder := exec.Command("sleep", "600")
	holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = holder.Process.Kill()
		_ = holder.Wait()
	})
	pid := holder.Process.Pid
	if out, err := exec.Command("nsenter", "-t", strconv.Itoa(pid), "-n", "ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with its namespace
		namespace, err := os.Open("/proc/" + strconv.Itoa(pid) + "/ns/net")
		if err == nil {
			defer namespace.Close()
			err = unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET)
		}
		if err != nil {
			t.Error(err)
			return
		}
		do(pid)
	}()
	<-done
}

// Packets of one address are dropped and counted, of either version of IP; those of others pass.
func TestDropsOfBothVersions(t *testing.T) {
	for cut, free := range map[string]string{"::1": "127.0.0.1", "127.0.0.1": "::1"} {
		t.Run(cut, func(t *testing.T) {
			inside(t, func(pid int) {
				addresses := make(map[string]string)
				for _, host := range []string{cut, free} {
					l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
					if err != nil {
						t.Error(err)
						return
					}
					defer l.Close()
					addresses[host] = l.Addr().String()
				}
				reaches := func(host string) bool {
					c, err := net.DialTimeout("tcp", addresses[host], time.Second)
					if err == nil {
						c.Close()
					}
					return err == nil
				}
				const table = "wringer-test"
				if err := Install(pid, Table{table, []Rule{{From: netip.MustParseAddr(cut), Drop: true}}}); err != nil {
					t.Error(err)
					return
				}
				if reaches(cut) || !reaches(free) {
					t.Error("in force: the cut address must not be reached, and the other must")
				}
				if all, err := Counters(pid, table); err != nil || len(all) != 1 || all[0].Packets == 0 || all[0].Bytes == 0 {
					t.Errorf("counted %v, %v", all, err)
				}
				for range 2 {
					if err := Remove(pid, table); err != nil {
						t.Error(err)
					}
				}
				if !reaches(cut) {
					t.Error("after it: the address is not reached")
				}
			})
		})
	}
}

// What leaves for an address, and questions for a name, are counted and pass. Those for other addresses and names are not counted.
func TestCountsWhatLeaves(t *testing.T) {
	inside(t, func(pid int) {
		const name = "a-service-of-a-rather-long-name"
		server, err := net.ListenPacket("udp", "127.0.0.1:53")
		if err != nil {
			t.Error(err)
			return
		}
		defer server.Close()
		taken, err := net.ListenPacket("udp", "[::1]:9") // else each packet brings another, which says that nobody takes it
		if err != nil {
			t.Error(err)
			return
		}
		defer taken.Close()
		table := Table{"wringer-test", []Rule{{To: netip.MustParseAddr("127.0.0.2")}, {To: netip.MustParseAddr("::1")}, {Question: name}}}
		if err := Install(pid, table); err != nil {
			t.Error(err)
			return
		}
		send := func(to string, payload []byte) {
			c, err := net.Dial("udp", to)
			if err == nil {
				_, err = c.Write(payload)
				c.Close()
			}
			if err != nil {
				t.Error(err)
			}
		}
		counted := func(want ...uint64) {
			t.Helper()
			all, err := Counters(pid, table.Name)
			if err != nil || len(all) != len(want) {
				t.Errorf("counted %v, %v", all, err)
				return
			}
			for i := range want {
				if all[i].Packets != want[i] {
					t.Errorf("counted %v, want %v", all, want)
				}
			}
		}
		asking := func(name string) []byte { return append(append(make([]byte, 12), question(name)...), 0, 1, 0, 1) }
		for _, other := range []string{"a-service", name + "2", name + ".example", "b-service-of-a-rather-long-name"} {
			send("127.0.0.1:53", asking(other))
		}
		send("127.0.0.3:9", nil)
		send("127.0.0.1:54", asking(name))
		counted(0, 0, 0)
		send("127.0.0.2:9", nil)
		send("[::1]:9", nil)
		send("[::1]:9", nil)
		for range 3 {
			send("127.0.0.1:53", asking(name))
		}
		counted(1, 2, 3)
		for i, timestamps := range []string{"1", "0"} {
			err := os.WriteFile("/proc/sys/net/ipv4/tcp_timestamps", []byte(timestamps), 0o644) // of the thread's namespace
			for _, of := range []string{name, "other-" + name} {
				err = errors.Join(err, askOverTCP(asking(of)))
			}
			if err != nil {
				t.Error(err)
			}
			counted(1, 2, uint64(4+i))
		}
		if _, _, err := server.ReadFrom(make([]byte, 512)); err != nil {
			t.Errorf("questions do not pass: %v", err)
		}
		if err := Remove(pid, table.Name); err != nil {
			t.Error(err)
		}
		if there, err := Exists(pid, table.Name); there || err != nil {
			t.Errorf("after it: there %v, %v", there, err)
		}
	})
}

// askOverTCP sends a message of DNS to a server of its own, over a connection of its own.
func askOverTCP(message []byte) error {
	l, err := net.Listen("tcp", "127.0.0.1:53")
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Write(append([]byte{0, byte(len(message))}, message...))
	return err
}

func TestQuestion(t *testing.T) {
	if got := string(question("stock.shop.")); got != "\x05stock\x04shop\x00" {
		t.Errorf("%q", got)
	}
	for _, none := range []string{"", "a..b", string(make([]byte, 64))} {
		if got := question(none); got != nil {
			t.Errorf("%q is a name: %q", none, got)
		}
	}
}
