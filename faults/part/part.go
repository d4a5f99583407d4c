// Package part pauses, kills, restarts, slows and starves parts of a target. A part is a component of the embedded target,
// a process, a container: anything that implements faults.Part.
package part

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"wringer/faults"
)

// Config is a fault on a part. Exactly one of Pause, Kill, Restart, CPU and Files is set, and names the part.
type Config struct {
	Pause   string        `yaml:"pause" jsonschema_description:"The part of the target to freeze: it keeps its connections and its state, and answers nothing."`
	Kill    string        `yaml:"kill" jsonschema_description:"The part of the target to kill: what it had only in memory is gone. It is started again at the end."`
	Restart string        `yaml:"restart" jsonschema_description:"The part of the target to end in good order (SIGTERM). It is started again at the end, or with every at once."`
	CPU     string        `yaml:"cpu" jsonschema_description:"The part of the target that gets a share of the time only: it is frozen for the rest of every tenth of a second. Of a container the limit of processors is lowered to the share."`
	Files   string        `yaml:"files" jsonschema_description:"The part of the target that may open no file or connection beyond limit; those that are open stay."`
	Signal  string        `yaml:"signal" jsonschema_description:"With kill: the signal, as in TERM. The part must end by it. Default KILL."`
	Every   time.Duration `yaml:"every" worse:"less" jsonschema_description:"Kill and restart: the part is taken down and brought back at once, and again each time this has passed. Absent: it stays down until the end."`
	Share   faults.Share  `yaml:"share" worse:"less" jsonschema_description:"With cpu: the share of the time that is left, as in 20%."`
	Limit   uint64        `yaml:"limit" worse:"less" jsonschema_description:"With files: how many it may have open. Default 0: none beyond those that are open."`
}

// leastEvery is the shortest period. A shorter one would spend all time on switching.
const leastEvery = 10 * time.Millisecond

// period is the period of a part that gets a share of the time. It is long compared to a switch, and short compared to a
// client's timeout.
const period = 100 * time.Millisecond

// target is one key that names the part.
type target struct{ kind, part string }

// targets returns the keys that are set.
func (c *Config) targets() []target {
	all := []target{{"pause", c.Pause}, {"kill", c.Kill}, {"restart", c.Restart}, {"cpu", c.CPU}, {"files", c.Files}}
	return slices.DeleteFunc(all, func(t target) bool { return t.part == "" })
}

// target says what the fault does, and to which part. Without a key it is a pause of nothing.
func (c *Config) target() target {
	if all := c.targets(); len(all) > 0 {
		return all[len(all)-1]
	}
	return target{kind: "pause"}
}

// Check implements faults.Config.
func (c *Config) Check(problem func(field, message string)) {
	all := c.targets()
	switch {
	case len(all) == 0:
		problem("pause", "names no part: give pause, kill, restart, cpu or files, and the part's name")
		return
	case len(all) > 1:
		problem(all[1].kind, "stands beside "+all[0].kind+": give each a fault of its own")
		return
	}
	kind := all[0].kind
	if c.Every != 0 && c.Every < leastEvery {
		problem("every", fmt.Sprintf("%v is less than %v", c.Every, leastEvery))
	}
	switch {
	case c.Every == 0:
	case kind == "pause":
		problem("every", "would not freeze the part at all: add times to repeat the whole fault, or use cpu with a share of the time")
	case kind == "cpu" || kind == "files":
		problem("every", "goes with kill and restart; "+kind+" lasts as long as the fault does")
	}
	switch {
	case kind == "cpu" && c.Share == 0:
		problem("share", "is missing: write how much of the time the part keeps, as in share: 20%")
	case kind == "cpu" && c.Share >= 1:
		problem("share", "leaves the part all its time: write less, as in 20%")
	case kind != "cpu" && c.Share != 0:
		problem("share", "goes with cpu")
	}
	c.checkSignal(kind, problem)
	if kind != "files" && c.Limit != 0 {
		problem("limit", "goes with files")
	}
}

// signals are those that end a process that does not handle them.
var signals = []string{"KILL", "TERM", "INT", "QUIT", "HUP", "ABRT", "USR1", "USR2", "ALRM", "PIPE", "ILL", "TRAP", "BUS", "FPE", "SEGV", "SYS", "XCPU", "XFSZ", "VTALRM", "PROF", "IO", "PWR"}

func (c *Config) checkSignal(kind string, problem func(field, message string)) {
	switch {
	case c.Signal == "":
	case kind != "kill":
		problem("signal", "goes with kill")
	case !slices.Contains(signals, c.Signal):
		problem("signal", fmt.Sprintf("%q is no signal that ends a part: write one of %s; to freeze the part, use pause", c.Signal, strings.Join(signals, ", ")))
	}
}

// Kind implements faults.Config.
func (c *Config) Kind() string { return c.target().kind }

// On implements faults.Config.
func (c *Config) On() faults.Place { return faults.Place{Part: c.target().part} }

// Seizes implements faults.Seizing.
func (c *Config) Seizes() string { return c.target().part }

// Excludes implements faults.Exclusive: only one fault at a time may break a part. A part counts what it met, and is ready,
// as a whole.
func (c *Config) Excludes(other faults.Config) bool { return faults.SeizeTheSame(c, other) }

// Describe implements faults.Config.
func (c *Config) Describe() faults.Description { return faults.Description{Words: c.words()} }

// words describes the fault: "kill broker-2", "pause stock, every 500ms".
func (c *Config) words() string {
	t := c.target()
	s := t.kind + " " + t.part
	if c.Signal != "" {
		s += " by " + c.Signal
	}
	switch {
	case c.Every > 0:
		s += fmt.Sprint(", every ", c.Every)
	case c.Share != 0:
		s += fmt.Sprintf(", %v of the time", c.Share)
	case t.kind == "files":
		s += fmt.Sprintf(", at most %d open", c.Limit)
	}
	return s
}

// Open implements faults.Config.
func (c *Config) Open(env faults.Env) (faults.Fault, error) {
	t := c.target()
	p, err := env.Part(t.part)
	if err != nil {
		return nil, err
	}
	f := &Fault{name: c.words(), part: p, takeDown: p.Pause, bringBack: p.Resume, every: c.Every, turn: faults.NewTurn()}
	switch t.kind {
	case "kill":
		f.takeDown, f.bringBack = p.Kill, p.Start
		if c.Signal != "" {
			signaller, ok := p.(faults.Signaller)
			if !ok {
				return nil, faults.ErrUnsupported{Part: t.part, Verb: "signal: kill it without, or restart it"}
			}
			f.takeDown = func(ctx context.Context) error { return signaller.Signal(ctx, c.Signal) }
		}
	case "restart":
		stopper, ok := p.(faults.Stopper)
		if !ok {
			return nil, faults.ErrUnsupported{Part: t.part, Verb: "restart: kill it instead"}
		}
		f.takeDown, f.bringBack = stopper.Stop, p.Start
	case "cpu":
		if limiter, ok := p.(faults.CPULimiter); ok {
			f.takeDown = func(ctx context.Context) error { return limiter.LimitCPU(ctx, float64(c.Share)) }
			f.bringBack = limiter.RestoreCPU
			break
		}
		f.every, f.downFor = period, time.Duration((1-float64(c.Share))*float64(period))
	case "files":
		limiter, ok := p.(faults.FileLimiter)
		if !ok {
			return nil, faults.ErrUnsupported{Part: t.part, Verb: "files"}
		}
		f.takeDown = func(ctx context.Context) error { return limiter.LimitFiles(ctx, c.Limit) }
		f.bringBack = limiter.RestoreFiles
	}
	if counting, ok := p.(faults.Counting); ok && t.kind != "cpu" {
		if err := counting.PrepareToCount(context.Background()); err != nil {
			f.uncounted = err.Error()
		}
	}
	return f, nil
}
