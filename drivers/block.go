package drivers

import "time"

// Block is a time in which the target took nothing from one connection of a stream, as the target itself said.
type Block struct {
	// Connection counts from 1.
	Connection int
	// Why is the target's reason, in its words.
	Why string
	// From and To are on the run's clock. Over is false while the target still blocks the connection; then To has no meaning.
	From, To time.Duration
	Over     bool
}

// Blockable is an optional extra of a Driver whose target can block connections.
type Blockable interface {
	// Blocks returns the blocks so far, those of each connection in their order. It must not block, and is called beside attempts.
	Blocks() []Block
}
