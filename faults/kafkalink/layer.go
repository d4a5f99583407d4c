package kafkalink

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"

	"wringer/faults/request"
)

// layer speaks Kafka on one link. It implements faults.Layer.
type layer struct {
	link string
	log  *slog.Logger
	// mapping is nil if clients know the brokers' own addresses, as a stream's driver does: it dials over its link. Set
	// before the first connection.
	mapping *mapping

	// readsFetches and readsGroups say that a planned fault changes what consumers get, and what groups have committed. They are
	// set before the first connection.
	readsFetches, readsGroups atomic.Bool
	raw                       atomic.Bool // a connection was not plain Kafka

	faults *request.List[*Fault]
	conns  sync.Map // the *conn that are open, while readsGroups
	warned sync.Map // the kinds of leaks that were logged
}

func newLayer(link string) *layer {
	return &layer{link: link, log: slog.New(slog.DiscardHandler), faults: new(request.List[*Fault])}
}

// reads says whether a request or its answer must be read.
func (l *layer) reads(h head) bool {
	return l.rewrites(h.key, h.version) || l.aboutGroup(h) || l.readsFetches.Load() && kmsg.Key(h.key) == kmsg.Fetch
}

// rewrites says whether answers of this API and version are rewritten whatever the faults.
func (l *layer) rewrites(key, version int16) bool {
	return l.mapping != nil && namesBrokers(key, version) || l.readsFetches.Load() && kmsg.Key(key) == kmsg.ApiVersions
}

// rewriteFrame rewrites an answer.
func (l *layer) rewriteFrame(e *expected, frame []byte) []byte {
	body, err := l.rewritten(e.key, e.version, frame[8:])
	if err == nil {
		return withLength(append(frame[:8:8], body...))
	}
	if !unsupported(e.key, frame[8:]) {
		l.logUnread(true, fmt.Sprintf("%s v%d", kmsg.NameForKey(e.key), e.version), err)
	}
	return frame
}

// logUnread logs, once per kind, that something passes unread. leaks: it may name brokers.
func (l *layer) logUnread(leaks bool, what string, err error) {
	if leaks && l.mapping != nil {
		l.logLeak(what, err)
		return
	}
	if _, logged := l.warned.LoadOrStore(what, true); !logged {
		l.log.Warn("passes unread, and no fault changes it", "link", l.link, "what", what, "why", err)
	}
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
	if l.readsGroups.Load() {
		l.conns.Store(c, nil)
		defer l.conns.Delete(c)
	}
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
