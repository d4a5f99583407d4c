package httplink

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"

	"wringer/faults"
	"wringer/faults/request"
)

// layer reads HTTP on one link. It implements faults.Layer.
type layer struct {
	link   string
	faults request.List[*Fault]
}

// layerOn returns the link's layer. The first call creates it.
func layerOn(link faults.Link) (*layer, error) {
	stack, ok := link.(faults.ListeningLink)
	if !ok {
		return nil, fmt.Errorf("link %s: a %T cannot carry a protocol layer", link.Name(), link)
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

// pick returns the fault that acts on a request: the first in force that matches and takes it.
func (l *layer) pick(http2Spoken bool, method, path string, header http.Header) *Fault {
	for _, f := range l.faults.All() {
		if (http2Spoken || f.act.GRPC == "") && f.act.Match.matches(method, path, header) && f.Takes() {
			return f
		}
	}
	return nil
}

// Carry implements faults.Layer. The client's first bytes show its version of HTTP. So a protocol in which the target
// speaks first does not work over this layer.
func (l *layer) Carry(client, target net.Conn, _ string) {
	c := newConn(l, client, target)
	r := bufio.NewReaderSize(client, maxHead)
	http2Spoken, err := isHTTP2(r)
	var both sync.WaitGroup
	switch {
	case err != nil && err != io.EOF:
		c.End(err)
	case http2Spoken:
		s := newStreams(c)
		both.Go(func() { c.Finish(target, s.requests(r)) })
		both.Go(func() { c.Finish(client, s.answers()) })
	default:
		both.Go(func() { c.Finish(target, c.requests(r)) })
		both.Go(func() { c.Finish(client, c.answers()) })
	}
	both.Wait()
	c.releaseFaults()
}

// isHTTP2 reads as few bytes as it needs to decide.
func isHTTP2(r *bufio.Reader) (bool, error) {
	for n := 1; n <= len(preface); n++ {
		b, err := r.Peek(n)
		if err != nil && len(b) == 0 {
			return false, err
		}
		if string(b) != preface[:len(b)] {
			return false, nil
		}
		if err != nil {
			return false, nil // the received bytes pass
		}
	}
	return true, nil
}
