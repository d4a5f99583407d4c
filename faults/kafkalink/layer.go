package kafkalink

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"wringer/faults/request"
)

// layer speaks Kafka on one link. It implements faults.Layer.
type layer struct {
	link string
	log  *slog.Logger
	// mapping is nil if clients know the brokers' own addresses, as a stream's driver does: it dials over its link. Set
	// before the first connection.
	mapping *mapping

	faults *request.List[*Fault]
	warned sync.Map // the kinds of leaks that were logged
}

func newLayer(link string) *layer {
	return &layer{link: link, log: slog.New(slog.DiscardHandler), faults: new(request.List[*Fault])}
}

// logLeak logs, once per kind, that a client may learn a broker's own address and bypass the link.
func (l *layer) logLeak(what string, err error) {
	if _, logged := l.warned.LoadOrStore(what, true); !logged {
		l.log.Warn("a Kafka client may learn a broker's own address and walk around the link", "link", l.link, "what", what, "why", err)
	}
}

// Carry implements faults.Layer.
func (l *layer) Carry(client, target net.Conn, address string) {
	c := newConn(l, client, target, address)
	var both sync.WaitGroup
	both.Go(func() { c.Finish(target, c.requests()) })
	both.Go(func() { c.Finish(client, c.answers()) })
	both.Wait()
	c.releaseFaults()
}

// echo sends a request of the API through the layer, and expects the same bytes back. The request has an unknown version,
// and is sent as if to address.
func (l *layer) echo(ctx context.Context, key int16, address string) error {
	bare := newLayer(l.link) // the same faults, but no addresses to replace: the answer is not real
	bare.faults = l.faults
	const correlation = 7
	question := binary.BigEndian.AppendUint16(make([]byte, 4), uint16(key))
	question = binary.BigEndian.AppendUint16(question, 0x7fff)
	question = withLength(binary.BigEndian.AppendUint32(question, correlation))
	carry := func(client, target net.Conn) { bare.Carry(client, target, address) }
	answer, err := request.Echo(ctx, carry, question, func(got []byte) []byte {
		return withLength(append([]byte{0, 0, 0, 0}, got[8:]...))
	})
	if want := []byte{0, 0, 0, 4, 0, 0, 0, correlation}; err == nil && !bytes.Equal(answer, want) {
		err = fmt.Errorf("got %x back, want %x", answer, want)
	}
	return err
}
