package extending

import (
	"context"
	"errors"
	"sync"
	"testing"

	"wringer/faults"
	"wringer/faults/faulttest"
)

// ReadOnlyConfig is the fault `read_only: PART`: the part refuses writes.
type ReadOnlyConfig struct {
	ReadOnly string `yaml:"read_only" jsonschema:"required" jsonschema_description:"The part of the target that takes no writes."`
}

// Check implements faults.Config.
func (c *ReadOnlyConfig) Check(problem func(field, message string)) {
	if c.ReadOnly == "" {
		problem("read_only", "names no part")
	}
}

// Kind implements faults.Config.
func (c *ReadOnlyConfig) Kind() string { return "read_only" }

// On implements faults.Config.
func (c *ReadOnlyConfig) On() faults.Place { return faults.Place{Part: c.ReadOnly} }

// Describe implements faults.Config: the fault in words, for reports and wringer check.
func (c *ReadOnlyConfig) Describe() faults.Description {
	return faults.Description{Words: "no writes to " + c.ReadOnly}
}

// Store is a faults.Part that can refuse writes. Both methods are safe for concurrent use.
type Store interface {
	faults.Part
	// SetReadOnly is idempotent and returns when ctx ends.
	SetReadOnly(ctx context.Context, on bool) error
	// Refused counts the writes that were refused so far.
	Refused() int64
}

// Open implements faults.Config.
func (c *ReadOnlyConfig) Open(env faults.Env) (faults.Fault, error) {
	p, err := env.Part(c.ReadOnly)
	if err != nil {
		return nil, err
	}
	store, ok := p.(Store)
	if !ok {
		return nil, faults.ErrUnsupported{Part: c.ReadOnly, Verb: "read_only"}
	}
	return &readOnly{store: store, turn: make(chan struct{}, 1)}, nil
}

type readOnly struct {
	store Store
	turn  chan struct{} // holds one while a call into the store is under way

	mu      sync.Mutex
	inForce bool
	base    int64 // what had been refused when it was injected
	bitten  int64 // what was refused in earlier times in force
}

// Inject implements faults.Fault.
func (f *readOnly) Inject(ctx context.Context) error { return f.set(ctx, true) }

// Heal implements faults.Fault. Healing what is whole does nothing.
func (f *readOnly) Heal(ctx context.Context) error { return f.set(ctx, false) }

func (f *readOnly) set(ctx context.Context, on bool) error {
	select {
	case f.turn <- struct{}{}: // one call at a time
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-f.turn }()
	if err := f.store.SetReadOnly(ctx, on); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	refused := f.store.Refused()
	if f.inForce {
		f.bitten += refused - f.base
	}
	f.inForce, f.base = on, refused
	return nil
}

// Probe implements faults.Fault: nil when the store works as before.
func (f *readOnly) Probe(ctx context.Context) error { return f.store.Ready(ctx) }

// Bite implements faults.Fault: what the store itself counted, while the fault was in force.
func (f *readOnly) Bite() faults.Bite {
	f.mu.Lock()
	defer f.mu.Unlock()
	met := f.bitten
	if f.inForce {
		met += f.store.Refused() - f.base
	}
	return faults.Bite{Bit: met > 0, Connections: met, Bytes: -1} // bytes are not counted
}

// memoryStore is a Store in memory.
type memoryStore struct {
	faults.Part // none of the other faults is tried

	mu       sync.Mutex
	readOnly bool
	refused  int64
}

func (s *memoryStore) SetReadOnly(ctx context.Context, on bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readOnly = on
	return nil
}

func (s *memoryStore) Refused() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

var errReadOnly = errors.New("the store is read-only")

func (s *memoryStore) Ready(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readOnly {
		return errReadOnly
	}
	return nil
}

func (s *memoryStore) write(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readOnly {
		s.refused++
		return errReadOnly
	}
	return nil
}

// TestReadOnly holds the fault to the suite that every fault passes.
func TestReadOnly(t *testing.T) {
	faulttest.Run(t, func(t *testing.T) faulttest.Rig {
		store := new(memoryStore)
		env := faults.Env{Part: func(string) (faults.Part, error) { return store, nil }}
		config := &ReadOnlyConfig{ReadOnly: "store"}
		fault, err := config.Open(env)
		if err != nil {
			t.Fatal(err)
		}
		return faulttest.Rig{Config: config, Fault: fault, Meet: store.write}
	})
}
