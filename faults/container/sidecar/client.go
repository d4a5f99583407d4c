package sidecar

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"
)

// Client calls a sidecar. It is safe for concurrent use.
type Client struct {
	c     io.ReadWriteCloser
	write sync.Mutex
	ended chan struct{} // closed when nothing is read any more

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan answer
}

// NewClient begins the conversation over c, which Close closes.
func NewClient(c io.ReadWriteCloser) *Client {
	s := &Client{c: c, ended: make(chan struct{}), waiting: make(map[uint64]chan answer)}
	go s.read()
	return s
}

// read hands answers to those who wait.
func (s *Client) read() {
	defer close(s.ended)
	defer s.c.Close() // nobody waits in a write for one that is not understood
	lines := bufio.NewScanner(s.c)
	lines.Buffer(nil, mostLine)
	for lines.Scan() {
		var a answer
		if json.Unmarshal(lines.Bytes(), &a) != nil {
			return
		}
		s.mu.Lock()
		waiting := s.waiting[a.ID]
		delete(s.waiting, a.ID)
		s.mu.Unlock()
		if waiting != nil {
			waiting <- a
		}
	}
}

// Do calls, and decodes the answer into output, which may be nil. It returns when the answer is there, ctx has ended or the sidecar
// has: then the error is ErrEnded.
func (s *Client) Do(ctx context.Context, call string, input, output any) error {
	raw, err := json.Marshal(input)
	if err != nil {
		return err
	}
	waiting := make(chan answer, 1)
	s.mu.Lock()
	s.last++
	id := s.last
	s.waiting[id] = waiting
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.waiting, id)
		s.mu.Unlock()
	}()
	line, err := json.Marshal(request{ID: id, Call: call, Input: raw})
	if err != nil {
		return err
	}
	if err := s.send(ctx, append(line, '\n')); err != nil {
		return err
	}
	select {
	case a := <-waiting:
		return a.decode(output)
	case <-ctx.Done():
		return ctx.Err()
	case <-s.ended:
	}
	select { // the last answer may have come just before the end
	case a := <-waiting:
		return a.decode(output)
	default:
		return ErrEnded
	}
}

// patience is how long a write may go on once its caller has given up.
const patience = time.Second

// send writes a line. A write that stands still when ctx has ended breaks the conversation: only a part of the line may have gone.
func (s *Client) send(ctx context.Context, line []byte) error {
	s.write.Lock()
	defer s.write.Unlock()
	written := make(chan struct{})
	defer close(written)
	defer context.AfterFunc(ctx, func() {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case <-written:
		case <-timer.C:
			s.c.Close()
		}
	})()
	if _, err := s.c.Write(line); err != nil {
		s.c.Close()
		<-s.ended
		return errors.Join(ErrEnded, err)
	}
	return nil
}

func (a answer) decode(output any) error {
	if a.Error != "" {
		return errors.New(a.Error)
	}
	if output == nil {
		return nil
	}
	return json.Unmarshal(a.Output, output)
}

// Over says that the sidecar has ended, or the connection to it.
func (s *Client) Over() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// Close ends the conversation, and the sidecar with it.
func (s *Client) Close() error {
	err := s.c.Close()
	<-s.ended
	return err
}
