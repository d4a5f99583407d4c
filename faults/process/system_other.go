//go:build !linux

package process

import "syscall"

// On systems other than Linux a process can be started, frozen, killed and stopped. Its sockets are unknown, so no fault on
// it is seen to touch traffic. Its files cannot be limited, and cleanup cannot find it. Descendants that leave the
// group are not found.

func startOf(int) uint64 { return 0 }

// stopped trusts the signal.
func stopped(int) bool { return true }

func marked(int, string) bool { return false }

func group(int) []int { return nil }

func withMark(string) []int { return nil }

func killLeftGroup(string) {}

// family is the process alone.
type family struct {
	folder string
	leader int
}

func newFamily(string) *family { return &family{} }

func (*family) attributes() (*syscall.SysProcAttr, func()) { return ownGroup(), func() {} }
func (*family) leave()                                     {}
func (f *family) begin(pid int)                            { f.leader = pid }
func (f *family) members() []int                           { return []int{f.leader} }
func (*family) adopt()                                     {}
func (f *family) main() int                                { return 0 }
func (*family) outside() bool                              { return false }
func (*family) kill()                                      {}
func (*family) end()                                       {}

type sockets struct {
	ports                        map[string]bool
	established, waiting, queued int
}

func (c *child) sockets() sockets { return sockets{} }
