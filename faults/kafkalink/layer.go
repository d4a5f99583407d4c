package kafkalink

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
)

// layer speaks Kafka on one link. It implements faults.Layer.
type layer struct {
	link string
	log  *slog.Logger
	// mapping is nil where clients know the brokers' own addresses, as a stream's driver does, which dials over its link.
	// It is set before the first connection.
	mapping *mapping

	mu     sync.Mutex // held to change faults
	faults atomic.Pointer[[]*Fault]
	warned sync.Map // what was told once
}

func newLayer(link string) *layer {
	l := &layer{link: link, log: slog.New(slog.DiscardHandler)}
	l.faults.Store(&[]*Fault{})
	return l
}

func (l *layer) active() []*Fault { return *l.faults.Load() }

func (l *layer) add(f *Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := append(slices.Clone(l.active()), f)
	l.faults.Store(&all)
}

func (l *layer) remove(f *Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.DeleteFunc(slices.Clone(l.active()), func(other *Fault) bool { return other == f })
	l.faults.Store(&all)
}

// leaks says, once of each kind, that a client may learn a broker's own address and walk around the link.
func (l *layer) leaks(what string, err error) {
	if _, told := l.warned.LoadOrStore(what, true); !told {
		l.log.Warn("a Kafka client may learn a broker's own address and walk around the link", "link", l.link, "what", what, "why", err)
	}
}

// Carry implements faults.Layer.
func (l *layer) Carry(client, target net.Conn, address string) {
	c := newConn(l, client, target, address)
	var both sync.WaitGroup
	both.Go(func() { c.end(c.requests()) })
	both.Go(func() { c.end(c.answers()) })
	both.Wait()
	c.forget()
}

// echo sends a request of the API, of a version that no code reads, through the layer, as if it went to address, and wants
// the same bytes back.
func (l *layer) echo(ctx context.Context, key int16, address string) error {
	client, near := net.Pipe()
	far, mirror := net.Pipe()
	var all sync.WaitGroup
	bare := newLayer(l.link) // the same faults, and no addresses to look for in what is no real answer
	bare.faults.Store(l.faults.Load())
	all.Go(func() { bare.Carry(near, far, address) })
	defer all.Wait()
	all.Go(func() {
		defer mirror.Close()
		request := make([]byte, headSize)
		if _, err := io.ReadFull(mirror, request); err == nil {
			_, _ = mirror.Write(sized(append([]byte{0, 0, 0, 0}, request[8:]...)))
		}
	})
	defer client.Close()
	defer context.AfterFunc(ctx, func() { client.Close() })()
	const correlation = 7
	request := binary.BigEndian.AppendUint16(make([]byte, 4), uint16(key))
	request = binary.BigEndian.AppendUint16(request, 0x7fff)
	request = binary.BigEndian.AppendUint32(request, correlation)
	if _, err := client.Write(sized(request)); err != nil {
		return err
	}
	answer := make([]byte, 8)
	if _, err := io.ReadFull(client, answer); err != nil {
		return err
	}
	if want := []byte{0, 0, 0, 4, 0, 0, 0, correlation}; !bytes.Equal(answer, want) {
		return fmt.Errorf("got %x back, want %x", answer, want)
	}
	return nil
}
