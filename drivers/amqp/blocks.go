package amqp

import (
	"time"

	"wringer/drivers"
)

var _ drivers.Blockable = (*Driver)(nil)

// maxBlocks bounds the blocks of a connection that are kept: the first ones.
const maxBlocks = 1000

// Blocks implements drivers.Blockable. A connection that ends is blocked no more.
func (d *Driver) Blocks() (all []drivers.Block) {
	for _, c := range d.connections {
		c.mu.Lock()
		all = append(all, c.blocks...)
		c.mu.Unlock()
	}
	return all
}

// noteBlock notes that the broker begins to block the connection, or ends it (why is empty). A second reason begins no second block.
func (c *connection) noteBlock(why string, now time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	open := len(c.blocks) > 0 && !c.blocks[len(c.blocks)-1].Over
	switch {
	case why == "" && open:
		last := &c.blocks[len(c.blocks)-1]
		last.To, last.Over = now, true
	case why != "" && !open && len(c.blocks) < maxBlocks:
		c.blocks = append(c.blocks, drivers.Block{Connection: c.number + 1, Why: why, From: now})
	}
}
