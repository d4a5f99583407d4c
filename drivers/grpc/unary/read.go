package unary

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/net/http2"

	"wringer/drivers"
)

// errProtocol is a violation of the protocol by the target.
var errProtocol = errors.New("not HTTP/2")

// read reads frames until the connection is closed or breaks the protocol.
func (c *conn) read() {
	for {
		var frame http2.Frame
		head, err := c.framer.ReadFrameHeader()
		if err == nil {
			frame, err = c.framer.ReadFrameForHeader(head)
		}
		var stream http2.StreamError
		switch {
		case err == nil:
			err = c.take(frame)
		case errors.As(err, &stream) && (head.Type != http2.FrameHeaders || stream.Cause != nil):
			err = nil
			c.failMalformed(stream, c.framer.ErrorDetail())
		case stream.StreamID > 0:
			// The Framer skipped these headers without adding them to the HPACK table. It would decode later headers
			// wrongly.
			err = fmt.Errorf("%w: headers with more padding than fits in the frame", errProtocol)
		}
		if err != nil {
			c.close(codeOf(err), err.Error())
			return
		}
	}
}

// codeOf is the code of a connection's end.
func codeOf(err error) string {
	var protocol http2.ConnectionError
	var network net.Error
	switch {
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return drivers.CodeReset
	case errors.Is(err, errProtocol), errors.As(err, &protocol), errors.Is(err, http2.ErrFrameTooLarge):
		return drivers.CodeMalformed
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.As(err, &network):
		return drivers.CodeClosed
	}
	return drivers.CodeMalformed
}

// failMalformed ends a call whose answer has a malformed frame.
func (c *conn) failMalformed(e http2.StreamError, detail error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if x := c.streams[e.StreamID]; x != nil {
		if detail == nil {
			detail = e
		}
		c.failAnswer(x, drivers.CodeMalformed, detail.Error())
	}
}

// take handles one frame. An error ends the connection.
func (c *conn) take(frame http2.Frame) error {
	c.mu.Lock()
	err := c.taken(frame)
	if c.writeClosed {
		c.out, c.asked = c.out[:0], 0
	} else if len(c.out) > 0 {
		c.wakeWriter()
	}
	full := c.asked > outBound
	c.mu.Unlock()
	if full && err == nil {
		err = c.awaitRoom()
	}
	return err
}

// awaitRoom blocks while too many bytes that the target asked for wait to be written. Waiting requests do not block
// reading: a target that answers before it reads on would wait for us as we wait for it.
func (c *conn) awaitRoom() error {
	limit := time.NewTimer(unreadTimeout)
	defer limit.Stop()
	for {
		select {
		case <-c.room:
		case <-limit.C:
			return fmt.Errorf("%w: the target asks for answers and does not read them", errProtocol)
		}
		c.mu.Lock()
		full := c.asked > outBound && !c.writeClosed
		c.mu.Unlock()
		if !full {
			return nil
		}
	}
}

func (c *conn) taken(frame http2.Frame) error {
	switch f := frame.(type) {
	case *http2.MetaHeadersFrame:
		c.headers(f)
	case *http2.DataFrame:
		c.data(f)
	case *http2.RSTStreamFrame:
		c.resetBy(f)
	case *http2.SettingsFrame:
		if !f.IsAck() {
			return c.allow(f)
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			c.putReply(http2.FramePing, http2.FlagPingAck, 0, f.Data[:])
		}
	case *http2.GoAwayFrame:
		return c.goAway(f)
	case *http2.WindowUpdateFrame:
		return c.windowUpdate(f)
	case *http2.PushPromiseFrame:
		return fmt.Errorf("%w: an unrequested push", errProtocol)
	}
	return nil
}

// failAnswer ends a call with the fault of its answer, and resets the stream.
func (c *conn) failAnswer(x *call, fault, text string) {
	x.fail(fault, text)
	c.putReset(x, http2.ErrCodeProtocol)
	c.end(x, c.in.at)
}

// headers handles an answer's headers, its trailers, or both in one.
func (c *conn) headers(f *http2.MetaHeadersFrame) {
	x := c.streams[f.StreamID]
	switch {
	case x == nil: // the call was given up
	case f.Truncated:
		c.failAnswer(x, drivers.CodeTooLarge, fmt.Sprintf("the headers are larger than the limit, %d bytes", c.framer.MaxHeaderListSize))
	case x.proxy != "":
		if f.StreamEnded() {
			c.failAnswer(x, x.proxy, x.Text)
		}
	case x.Headed && f.StreamEnded():
		c.trailers(x, f)
	case x.Headed:
		c.failAnswer(x, drivers.CodeMalformed, "headers came in the middle of an answer")
	default:
		c.begun(x, f)
	}
}

func (c *conn) begun(x *call, f *http2.MetaHeadersFrame) {
	h := headOf(f)
	switch {
	case h.interim && !f.StreamEnded():
	case !h.proper:
		code, _ := strconv.Atoi(h.status)
		text := fmt.Sprintf("the answer is not gRPC's: HTTP status %s %s, content type %q", h.status, http.StatusText(code), h.kind)
		if proxy := ProxyCode(code); proxy != "" && !f.StreamEnded() {
			x.Headed, x.proxy, x.Text = true, proxy, text // its body follows
			return
		}
		c.failAnswer(x, cmp.Or(ProxyCode(code), drivers.CodeMalformed), text)
	case h.fault != "":
		c.failAnswer(x, drivers.CodeMalformed, h.fault)
	case f.StreamEnded():
		c.trailers(x, f)
	default:
		x.Headed, x.encoding = true, h.encoding
	}
}

func (c *conn) trailers(x *call, f *http2.MetaHeadersFrame) {
	t := trailersOf(f)
	if t.fault != "" {
		c.failAnswer(x, drivers.CodeMalformed, t.fault)
		return
	}
	if len(x.rest) > 0 { // the rest of the request is not needed any more
		c.putReset(x, http2.ErrCodeNo)
	}
	x.settle(t)
	c.end(x, c.in.at)
}

func (c *conn) data(f *http2.DataFrame) {
	if c.unacknowledged += int(f.Length); c.unacknowledged >= connWindow/2 {
		c.putWindowUpdate(0, c.unacknowledged)
		c.unacknowledged = 0
	}
	x := c.streams[f.StreamID]
	if x == nil {
		return
	}
	if x.proxy != "" {
		if x.proxied += len(f.Data()); x.proxied >= maxProxied || f.StreamEnded() {
			c.failAnswer(x, x.proxy, x.Text)
		}
		return
	}
	if fault, text := x.receive(f.Data(), c.channel.options.MaxMessage); fault != "" {
		c.failAnswer(x, fault, text)
		return
	}
	if f.StreamEnded() {
		c.failAnswer(x, drivers.CodeMalformed, "the answer ended without a status")
		return
	}
	if x.unacknowledged += int(f.Length); x.unacknowledged >= streamWindow/2 {
		c.putWindowUpdate(x.id, x.unacknowledged)
		x.unacknowledged = 0
	}
}

func (c *conn) resetBy(f *http2.RSTStreamFrame) {
	x := c.streams[f.StreamID]
	if x == nil {
		return
	}
	x.unseen = f.ErrCode == http2.ErrCodeRefusedStream && !x.Headed
	x.fail(drivers.CodeReset, "the target reset the stream: "+f.ErrCode.String())
	c.end(x, c.in.at)
}

// goAway handles the target's GOAWAY: the target takes no more streams. It did not process the streams after the last
// one that it names.
func (c *conn) goAway(f *http2.GoAwayFrame) error {
	last := f.LastStreamID
	if last > 0 && last%2 == 0 || c.gotGoAway && last > c.lastProcessed {
		return fmt.Errorf("%w: GOAWAY names stream %d", errProtocol, last)
	}
	c.gotGoAway, c.lastProcessed = true, last
	c.drained = true // before streams become free
	for id, x := range c.streams {
		if id > last {
			x.unseen = !x.Headed
			x.fail(drivers.CodeClosed, fmt.Sprintf("the target went away: %s %s", f.ErrCode, f.DebugData()))
			c.end(x, c.channel.options.Clock())
		}
	}
	c.drain()
	return nil
}

// windowUpdate handles the target's permission to send more.
func (c *conn) windowUpdate(f *http2.WindowUpdateFrame) error {
	const most = 1<<31 - 1
	if f.StreamID == 0 {
		if c.allowed.window += int64(f.Increment); c.allowed.window > most {
			return fmt.Errorf("%w: the window exceeds 2^31-1 bytes", errProtocol)
		}
	} else if x := c.streams[f.StreamID]; x != nil {
		if x.window += int64(f.Increment); x.window > most {
			c.failAnswer(x, drivers.CodeMalformed, "the window of the stream exceeds 2^31-1 bytes")
		}
	}
	c.pumpHeld()
	return nil
}

// allow applies the target's settings, and acknowledges them.
func (c *conn) allow(f *http2.SettingsFrame) error {
	err := f.ForeachSetting(func(s http2.Setting) error {
		if err := s.Valid(); err != nil {
			return err
		}
		switch s.ID {
		case http2.SettingMaxConcurrentStreams:
			c.allowed.streams = int64(s.Val)
		case http2.SettingInitialWindowSize:
			for _, x := range c.streams {
				x.window += int64(s.Val) - c.allowed.eachWindow
			}
			c.allowed.eachWindow = int64(s.Val)
		case http2.SettingMaxFrameSize:
			c.allowed.frame = min(int(s.Val), outBound)
		case http2.SettingMaxHeaderListSize:
			c.allowed.headers = int64(s.Val)
		case http2.SettingHeaderTableSize:
			c.resizeTable(s.Val)
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.putReply(http2.FrameSettings, http2.FlagSettingsAck, 0, nil)
	c.wakeWriter()
	c.admit()
	c.pumpHeld()
	return nil
}
