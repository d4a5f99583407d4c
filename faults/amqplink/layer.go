package amqplink

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"wringer/faults"
	"wringer/faults/request"
)

// layer speaks AMQP 0-9-1 on one link. It implements faults.Layer.
type layer struct {
	link   string
	faults request.List[*Fault]
	raw    atomic.Bool // a connection was not plain AMQP
}

// layerOn returns the link's layer. The first call lays it.
func layerOn(link faults.Link) (*layer, error) {
	stack, ok := link.(faults.ListeningLink)
	if !ok {
		return nil, fmt.Errorf("link %s: a %T bears no protocol", link.Name(), link)
	}
	l, err := stack.Lay(protocol, func() faults.Layer { return &layer{link: link.Name()} })
	if err != nil {
		return nil, err
	}
	mine, ok := l.(*layer)
	if !ok {
		return nil, fmt.Errorf("link %s: its layer is a %T", link.Name(), l)
	}
	return mine, nil
}

// Carry implements faults.Layer.
func (l *layer) Carry(client, target net.Conn, address string) {
	c := newConn(l, client, target, address)
	var all sync.WaitGroup
	all.Go(func() { c.Finish(target, c.fromClient()) })
	all.Go(func() {
		defer close(c.left)
		c.Finish(client, c.fromTarget())
	})
	all.Wait()
	c.End(nil) // ends the lanes
	c.lanes.Wait()
	c.releaseFaults()
}

// echo sends the protocol's header and a heartbeat through the layer, and expects a heartbeat back.
func (l *layer) echo(ctx context.Context) error {
	question := append([]byte(greeting), heartbeat...)
	carry := func(client, target net.Conn) { l.Carry(client, target, "") }
	got, err := request.Echo(ctx, carry, question, func([]byte) []byte { return heartbeat })
	if err == nil && !bytes.Equal(got, heartbeat) {
		err = fmt.Errorf("got %x back, want %x", got, heartbeat)
	}
	return err
}
