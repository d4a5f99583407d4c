package pressure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/client"

	"wringer/faults"
	"wringer/faults/container"
	"wringer/faults/container/disk"
	"wringer/faults/container/force"
)

// Fill is the fault `fill: {container: NAME, dir: /data}`: a file fills a folder in memory of limited size.
type Fill struct {
	Fill Disk `yaml:"fill" jsonschema:"required" jsonschema_description:"A file fills a folder of a container that is in memory and of limited size: tmpfs of the container."`
}

// Disk is the folder, and the room that is left.
type Disk struct {
	Container string `yaml:"container" jsonschema_description:"The container."`
	Dir       string `yaml:"dir" jsonschema_description:"The folder: one that the container has in tmpfs, with a size."`
	Leave     Room   `yaml:"leave" worse:"less" jsonschema_description:"The room that stays, as in 64KiB. Default 0: none."`
}

// Room is an amount of bytes that may be 0.
type Room int64

// UnmarshalText reads 0, 64KiB or 1MB.
func (r *Room) UnmarshalText(text []byte) error {
	if strings.TrimSpace(string(text)) == "0" {
		*r = 0
		return nil
	}
	return (*faults.Bytes)(r).UnmarshalText(text)
}

func (r Room) String() string {
	if r == 0 {
		return "0"
	}
	return faults.Bytes(r).String()
}

// Check implements faults.Config.
func (c *Fill) Check(problem func(field, message string)) {
	switch d := &c.Fill; {
	case d.Container == "":
		problem("fill", "names no container: write {container: NAME, dir: /data}")
	case !path.IsAbs(d.Dir):
		problem("fill", fmt.Sprintf("dir %q is no folder of a container: begin it with /", d.Dir))
	}
}

// Kind implements faults.Config.
func (*Fill) Kind() string { return "fill" }

// On implements faults.Config.
func (c *Fill) On() faults.Place { return faults.Place{Part: c.Fill.Container} }

// Seizes implements faults.Seizing.
func (c *Fill) Seizes() string { return c.Fill.Container }

// Excludes implements faults.Exclusive.
func (c *Fill) Excludes(other faults.Config) bool { return faults.SeizeTheSame(c, other) }

// Describe implements faults.Config.
func (c *Fill) Describe() faults.Description {
	words := fmt.Sprintf("fill %s of %s", c.Fill.Dir, c.Fill.Container)
	if c.Fill.Leave > 0 {
		words += fmt.Sprintf(" but for %v", faults.Bytes(c.Fill.Leave))
	}
	return faults.Description{Words: words}
}

// openBound bounds the look at the container before the run, and the start of a sidecar.
const openBound = 2 * time.Minute

// Open implements faults.Config. It fails where the folder has no limited size, or cannot be reached.
func (c *Fill) Open(env faults.Env) (faults.Fault, error) {
	d := c.Fill
	box, err := boxOf(env, d.Container, "fill: it is no container")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), openBound)
	defer cancel()
	f := &fill{disk: d, container: box, file: filePrefix + env.Name}
	if f.left, err = f.folder(ctx); err != nil {
		return nil, fmt.Errorf("fill %s of container %s: %w", d.Dir, d.Container, err)
	}
	return force.New(c.Describe().Words, FillUndoKind, env.Journal, f), nil
}

// FillUndoKind is the kind of a fill's entries in a journal.
const FillUndoKind = "container-fill"

// filePrefix begins the names of the files.
const filePrefix = ".wringer-fill-"

// fill implements force.Mechanism.
type fill struct {
	disk      Disk
	container *container.Container
	file      string
	left      leftFill
	life      container.Life

	mu     sync.Mutex
	most   int64 // bytes of the file
	full   bool
	lapses []string
}

// leftFill is what a killed run left: a file in a container.
type leftFill struct {
	Place container.Place `json:"place"`
	Dir   string          `json:"dir"`
	File  string          `json:"file"`
}

// folder checks that the folder is this run's own, in memory, of limited size and within reach.
func (f *fill) folder(ctx context.Context) (leftFill, error) {
	c := f.container
	inspected, err := c.Engine().ContainerInspect(ctx, c.ID(), client.ContainerInspectOptions{})
	if err != nil {
		return leftFill{}, err
	}
	options, limited := inspected.Container.HostConfig.Tmpfs[f.disk.Dir]
	if !limited || !strings.Contains(options, "size=") {
		return leftFill{}, fmt.Errorf("it is no folder in memory of limited size: give the container tmpfs: {%s: 64m}", f.disk.Dir)
	}
	left := leftFill{Place: c.Place(), Dir: f.disk.Dir, File: f.file}
	if f.life, err = c.Life(ctx); err != nil {
		return left, err
	}
	return left, f.life.Do(ctx, disk.CallRoom, disk.File{Dir: f.disk.Dir}, nil)
}

// Prepare implements force.Mechanism.
func (f *fill) Prepare(ctx context.Context) (any, error) {
	left, err := f.folder(ctx)
	if err != nil {
		return nil, err
	}
	f.left = left
	f.mu.Lock()
	defer f.mu.Unlock()
	f.most, f.full, f.lapses = 0, false, nil
	return left, nil
}

// Break implements force.Mechanism.
func (f *fill) Break(ctx context.Context) error { return f.grow(ctx) }

// grow makes the file so large that only the room that is to be left stays.
func (f *fill) grow(ctx context.Context) error {
	var now disk.Grown
	if err := f.life.Do(ctx, disk.CallGrow, f.at(), &now); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.most, f.full = max(f.most, now.Size), f.full || now.Free <= int64(f.disk.Leave)
	return nil
}

// Look implements force.Mechanism: room that the container made is filled again. A container that starts again has an empty folder.
func (f *fill) Look(ctx context.Context) {
	if !f.life.Over() {
		_ = f.grow(ctx)
		return
	}
	life, err := f.container.Life(ctx)
	if err != nil {
		return // it is down
	}
	same := life.Began.Equal(f.life.Began)
	f.life = life
	if same { // its sidecar alone ended
		_ = f.grow(ctx)
		return
	}
	why := "the container started again, and its folder was empty"
	if err := f.grow(ctx); err != nil {
		why += fmt.Sprintf(": %v", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lapses = append(f.lapses, why)
}

// Lapse is faults.Watched's.
func (f *fill) Lapse() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.lapses) == 0 {
		return nil
	}
	return fmt.Errorf("was not in force for a part of its time: %s", f.lapses[0])
}

// Mend implements force.Mechanism.
func (f *fill) Mend(ctx context.Context) error {
	gone, err := f.gone(ctx)
	if gone || err != nil {
		return err
	}
	return f.life.Do(ctx, disk.CallRemove, f.at(), nil)
}

// at is the file that fills the folder.
func (f *fill) at() disk.File {
	return disk.File{Dir: f.disk.Dir, Name: f.file, Leave: int64(f.disk.Leave)}
}

// gone says that the container does not run: the folder is gone with it. Otherwise f has its present life.
func (f *fill) gone(ctx context.Context) (bool, error) {
	if !f.life.Over() {
		return false, nil
	}
	life, err := f.container.Life(ctx)
	if errors.Is(err, container.ErrDown) {
		return true, nil
	}
	if err == nil {
		f.life = life
	}
	return false, err
}

// Whole implements force.Mechanism.
func (f *fill) Whole(ctx context.Context) error {
	gone, err := f.gone(ctx)
	if err != nil {
		return err
	}
	if !gone {
		var there bool
		if err := f.life.Do(ctx, disk.CallExists, f.at(), &there); there || err != nil {
			return errors.Join(err, fmt.Errorf("%s still holds %s", f.left.Dir, f.left.File))
		}
	}
	return f.container.Ready(ctx)
}

// Bite implements force.Mechanism.
func (f *fill) Bite() faults.Bite {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := faults.Bite{Bit: f.full && f.most > 0, Connections: -1, Bytes: f.most}
	if b.Bit {
		b.Words = fmt.Sprintf("%s of %s, until it was full", faults.Bytes(f.most), f.disk.Dir)
	}
	return b
}

// UndoFill removes the file of a run that was killed.
func UndoFill(ctx context.Context, data json.RawMessage) error {
	var l leftFill
	if err := json.Unmarshal(data, &l); err != nil {
		return fmt.Errorf("entry of a full folder: %w", err)
	}
	if !strings.HasPrefix(l.File, filePrefix) || strings.ContainsAny(l.File, "/\x00") {
		return fmt.Errorf("entry of a full folder: %q is no file of a run", l.File)
	}
	return l.Place.Undo(ctx, func(e *container.Engine) error {
		life, err := e.Life(ctx, l.Place.ID, l.Place.Name)
		if errors.Is(err, container.ErrDown) {
			return nil // the folder is gone with it
		}
		if err != nil {
			return err
		}
		return errors.Join(life.Do(ctx, disk.CallRemove, disk.File{Dir: l.Dir, Name: l.File}, nil), life.Close())
	})
}
