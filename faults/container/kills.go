package container

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"
)

// kills are the processes of a container that the kernel ended for want of memory. The engine tells each by an event, or the control
// group counts them, or both: the larger count of a life holds.
type kills struct {
	events, counted int       // in the present life
	first           time.Time // of them
	before          int       // in the lives before
	past            []Death   // of those lives
}

// now is the number in the present life.
func (k *kills) now() int { return max(k.events, k.counted) }

// at notes when the first of the present life came.
func (k *kills) at(t time.Time) {
	if k.first.IsZero() {
		k.first = t
	}
}

// over ends the present life, whose end explains some of them.
func (k *kills) over(name string, explained int) {
	if told, ok := k.told(name, explained); ok {
		k.past = append(k.past, told)
	}
	k.before += k.now()
	k.events, k.counted, k.first = 0, 0, time.Time{}
}

// told words those of the present life.
func (k *kills) told(name string, explained int) (d Death, ok bool) {
	n := k.now() - explained
	if n <= 0 {
		return Death{}, false
	}
	return Death{Text: fmt.Sprintf("container %s: the kernel ended %s for want of memory, and the container went on", name, processes(n)), At: k.first, WentOn: true}, true
}

// processes are n processes in words.
func processes(n int) string {
	if n == 1 {
		return "a process in it"
	}
	return fmt.Sprintf("%d processes in it", n)
}

// Starved is called for each process of the container that the engine tells as ended for want of memory. The event may come after
// that of the end of the container: down says so.
func (c *Container) Starved(at time.Time, down bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !down {
		c.kills.events++
		c.kills.at(at)
		return
	}
	c.kills.before++
	if n := len(c.deaths); n > 0 {
		c.deaths[n-1].Text = strings.Replace(c.deaths[n-1].Text, bySIGKILL, forMemory, 1)
	}
}

// CountKills looks for processes that ended for want of memory and that the engine does not tell: Podman tells none. It sees those of
// containers on this machine.
func (c *Container) CountKills(ctx context.Context) {
	life := c.counted.Load()
	if life == nil || life.Over() {
		if c.uncounted.Load() {
			return
		}
		now, err := c.LifeHere(ctx)
		if err != nil {
			return
		}
		life = &now
		c.counted.Store(life)
		c.uncounted.Store(life.pid == 0)
	}
	c.countKills(*life)
}

func (c *Container) countKills(life Life) {
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", life.pid))
	if err != nil {
		return
	}
	n := starved(os.DirFS("/sys/fs/cgroup"), string(groups), c.spec.ID)
	if n == 0 || life.Over() { // the end of the container is told by itself
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > c.kills.counted {
		c.kills.counted = n
		c.kills.at(time.Now())
	}
}

// starved counts the processes of a container that the kernel has ended for want of memory, by its control groups of either version.
func starved(at fs.FS, groups, id string) (n int) {
	for line := range strings.Lines(groups) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, group, _ := strings.Cut(rest, ":")
		for dir := strings.Trim(path.Join(controllers, group), "/"); strings.Contains(dir, id); dir = path.Dir(dir) {
			for _, file := range []string{"/memory.oom_control", "/memory.events"} {
				n = max(n, int(counters(at, dir+file)["oom_kill"]))
			}
		}
	}
	return n
}

// OutOfMemory counts the processes of the container that the kernel has ended for want of memory. Safe for concurrent use.
func (c *Container) OutOfMemory() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kills.before + c.kills.now()
}
