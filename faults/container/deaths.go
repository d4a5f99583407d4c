package container

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/moby/moby/api/types/container"
)

// Death is an end of a container that nothing asked for.
type Death struct {
	Text string
	At   time.Time
}

// Died is called for each end of the container that the engine reports. It gets the exit code, and whether the kernel ended the
// container for want of memory.
func (c *Container) Died(at time.Time, code string, outOfMemory bool) {
	c.mu.Lock()
	if outOfMemory {
		c.starved++
	}
	asked := c.expected || !c.begun || c.spec.Once && code == "0"
	c.mu.Unlock()
	if asked {
		return
	}
	text := fmt.Sprintf("container %s ended by itself: exit code %s", c.spec.Name, code)
	switch n, err := strconv.Atoi(code); {
	case outOfMemory:
		text += ", out of memory"
	case err == nil && bySignal(n):
		text += fmt.Sprintf(", signal %d", n-128)
	}
	text += c.logs.quote(context.Background())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deaths = append(c.deaths, Death{Text: text, At: at})
}

// Started is called for each start of the container that the engine reports.
func (c *Container) Started() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.started++
	c.logs.follow()
}

// Deaths returns the ends that nothing asked for. Safe for concurrent use.
func (c *Container) Deaths() []Death {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Death(nil), c.deaths...)
}

// Restarts counts the starts that nothing here asked for. Safe for concurrent use.
func (c *Container) Restarts() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(0, c.started-c.launched)
}

// end says how a container ended.
func end(s *container.State) string {
	text := fmt.Sprintf("exit code %d", s.ExitCode)
	switch {
	case s.OOMKilled:
		text += ", out of memory"
	case bySignal(s.ExitCode):
		text += fmt.Sprintf(", signal %d", s.ExitCode-128)
	}
	if s.Error != "" {
		text += ": " + s.Error
	}
	return text
}

// bySignal says that an exit code means an end by a signal.
func bySignal(code int) bool { return code > 128 && code <= 128+64 }

// OutOfMemory counts how often the kernel has ended the container for want of memory. Safe for concurrent use.
func (c *Container) OutOfMemory() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.starved
}
