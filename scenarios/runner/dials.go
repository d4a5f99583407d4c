package runner

import (
	"context"
	"net"
	"sync"
	"sync/atomic"

	"wringer/faults"
)

// dials counts the streams' failed dials by port. A process that is down cannot count the connections that it refused.
type dials struct{ failed sync.Map } // *atomic.Int64 by port

// counted returns dial with its failures counted.
func (d *dials) counted(dial faults.DialFunc) faults.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			if _, port, bad := net.SplitHostPort(address); bad == nil {
				n, _ := d.failed.LoadOrStore(port, new(atomic.Int64))
				n.(*atomic.Int64).Add(1)
			}
		}
		return c, err
	}
}

// refused is the number of failed dials to a port so far.
func (d *dials) refused(port string) int64 {
	if n, ok := d.failed.Load(port); ok {
		return n.(*atomic.Int64).Load()
	}
	return 0
}
