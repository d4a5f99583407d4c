package container

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/moby/moby/api/types/container"
)

// Death is an end of a container that nothing asked for, or of processes in one that went on.
type Death struct {
	Text string
	At   time.Time
	// WentOn says that the container went on: only processes in it ended.
	WentOn bool
}

// How an end by SIGKILL is told, and one for want of memory: then the exit code is that of SIGKILL too.
const (
	killedCode = 128 + 9
	bySIGKILL  = ", signal 9"
	forMemory  = ", out of memory"
)

// Died is called for each end of the container that the engine reports. It gets the exit code, and whether the engine flags a process
// of the container as ended for want of memory.
func (c *Container) Died(at time.Time, code string, flagged bool) {
	exit, err := strconv.Atoi(code)
	c.mu.Lock()
	killed := c.kills.now()
	if flagged && killed == 0 {
		c.kills.events, killed = 1, 1
		c.kills.at(at)
	}
	asked := c.expected || !c.begun || c.spec.Once && code == "0"
	explained := killed
	switch {
	case asked && c.begun:
		explained = 0
	case c.begun && err == nil && exit == killedCode:
		explained = min(killed, 1)
	}
	c.kills.over(c.spec.Name, explained)
	c.mu.Unlock()
	if asked {
		return
	}
	text := fmt.Sprintf("container %s ended by itself: exit code %s", c.spec.Name, code)
	if err == nil {
		text += cause(exit, killed)
	}
	text += c.logs.quote(context.Background())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deaths = append(c.deaths, Death{Text: text, At: at})
}

// cause tells why a container ended with a code. killed are the processes in it that ended for want of memory before.
func cause(code, killed int) string {
	switch {
	case code == killedCode && killed > 0:
		return forMemory
	case killed > 0:
		return fmt.Sprintf(", after the kernel ended %s for want of memory", processes(killed))
	case bySignal(code):
		return fmt.Sprintf(", signal %d", code-128)
	}
	return ""
}

// Started is called for each start of the container that the engine reports.
func (c *Container) Started() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.started++
	c.uncounted.Store(false)
	c.logs.follow()
}

// Deaths returns the ends that nothing asked for, and those of processes for want of memory. Safe for concurrent use.
func (c *Container) Deaths() []Death {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := append(slices.Clone(c.deaths), c.kills.past...)
	if told, ok := c.kills.told(c.spec.Name, 0); ok {
		all = append(all, told)
	}
	slices.SortStableFunc(all, func(a, b Death) int { return a.At.Compare(b.At) })
	return all
}

// Restarts counts the starts that nothing here asked for. Safe for concurrent use.
func (c *Container) Restarts() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(0, c.started-c.launched)
}

// end says how a container ended.
func end(s *container.State) string {
	killed := 0
	if s.OOMKilled {
		killed = 1
	}
	text := fmt.Sprintf("exit code %d", s.ExitCode) + cause(s.ExitCode, killed)
	if s.Error != "" {
		text += ": " + s.Error
	}
	return text
}

// bySignal says that an exit code means an end by a signal.
func bySignal(code int) bool { return code > 128 && code <= 128+64 }
