package unary

import (
	"encoding/binary"
	"runtime"
	"slices"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// outBound bounds the bytes that wait to be written: beyond it no calls and no bodies are added. It separately
	// bounds the bytes that the target asked for: beyond it nothing is read that would ask for more. In bytes.
	outBound = 256 << 10
	// lastAnswers is how long answers may still be read after writing failed.
	lastAnswers = time.Second
	// unreadTimeout is how long a target may leave answers unread that it asked for.
	unreadTimeout = 10 * time.Second
)

// write writes the bytes of out, until the connection is closed.
func (c *conn) write() {
	var buffer []byte
	for range c.filled {
		runtime.Gosched() // lets goroutines that are about to call add their frames
		for {
			c.mu.Lock()
			buffer, c.out, c.asked = c.out, buffer[:0], 0
			c.writing = len(buffer) > 0
			c.pumpHeld()
			c.admit()
			over := c.closed || c.writeClosed
			c.mu.Unlock()
			if over {
				return
			}
			if len(buffer) == 0 {
				break
			}
			if _, err := c.net.Write(buffer); err != nil {
				c.closeWrite()
				return
			}
			c.roomier()
			if cap(buffer) > 4*outBound {
				buffer = nil
			}
		}
	}
}

// wakeWriter wakes up the writer, to write or to end.
func (c *conn) wakeWriter() {
	if !c.writing {
		c.writing = true
		c.filled <- struct{}{}
	}
}

func (c *conn) roomier() {
	select {
	case c.room <- struct{}{}:
	default:
	}
}

// closeWrite records that nothing can be sent any more. Bytes that the target sent before are still read.
func (c *conn) closeWrite() {
	c.net.SetReadDeadline(time.Now().Add(lastAnswers))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writeClosed = true
	c.channel.retire(c)
	c.requeueWaiting()
	c.roomier()
}

// pump appends a call's body to out, as far as the target's windows and outBound allow.
func (c *conn) pump(x *call) {
	for len(x.rest) > 0 && len(c.out) < outBound {
		n := min(int64(len(x.rest)), int64(c.allowed.frame), x.window, c.allowed.window)
		if n <= 0 {
			return
		}
		flags := http2.Flags(0)
		if int(n) == len(x.rest) {
			flags = http2.FlagDataEndStream
		}
		c.put(http2.FrameData, flags, x.id, x.rest[:n])
		x.rest = x.rest[n:]
		x.window -= n
		c.allowed.window -= n
	}
}

// pumpHeld continues the waiting bodies, oldest first.
func (c *conn) pumpHeld() {
	if len(c.held) == 0 {
		return
	}
	for _, x := range c.held {
		c.pump(x)
	}
	c.held = slices.DeleteFunc(c.held, func(x *call) bool {
		x.held = len(x.rest) > 0
		return !x.held
	})
}

func (c *conn) putPreface(maxHeaders uint32) {
	c.out = append(c.out, http2.ClientPreface...)
	settings := []http2.Setting{
		{ID: http2.SettingEnablePush, Val: 0},
		{ID: http2.SettingInitialWindowSize, Val: streamWindow},
		{ID: http2.SettingMaxHeaderListSize, Val: maxHeaders},
	}
	c.putHeader(http2.FrameSettings, 0, 0, 6*len(settings))
	for _, s := range settings {
		c.out = binary.BigEndian.AppendUint16(c.out, uint16(s.ID))
		c.out = binary.BigEndian.AppendUint32(c.out, s.Val)
	}
	c.putWindowUpdate(0, connWindow-firstWindow)
}

// putHeaders appends the headers of a call to out.
func (c *conn) putHeaders(x *call) {
	c.block.Reset()
	c.putShared(x)
	for _, f := range x.fields {
		c.encoder.WriteField(f)
	}
	block := c.block.Bytes()
	for kind := http2.FrameHeaders; ; kind = http2.FrameContinuation {
		part := block[:min(len(block), c.allowed.frame)]
		if block = block[len(part):]; len(block) == 0 {
			c.put(kind, http2.FlagHeadersEndHeaders, x.id, part)
			return
		}
		c.put(kind, 0, x.id, part)
	}
}

// putShared encodes the shared fields into block: those of the channel and, usually, the timeout.
func (c *conn) putShared(x *call) {
	timeout := c.timeout[:0]
	if !x.deadline.IsZero() {
		timeout = appendTimeout(timeout, time.Until(x.deadline))
	}
	if c.timeout = timeout; len(c.kept) > 0 && string(timeout) == c.keptTimeout {
		c.block.Write(c.kept)
		return
	}
	for _, f := range c.channel.fields {
		c.encoder.WriteField(f)
	}
	c.keptTimeout = string(timeout)
	if len(timeout) > 0 {
		c.encoder.WriteField(hpack.HeaderField{Name: timeoutField, Value: c.keptTimeout})
	}
	c.kept = c.kept[:0]
	if indexed(c.block.Bytes()) {
		c.kept = append(c.kept, c.block.Bytes()...)
	}
}

// indexed reports whether a block of headers consists of one-byte indexes into the table alone (RFC 7541, 6.1). Such
// a block does not change the table, so it can be sent again unchanged.
func indexed(block []byte) bool {
	return !slices.ContainsFunc(block, func(b byte) bool { return b < 0x80 || b == 0xff })
}

// resizeTable keeps the HPACK table within the target's limit.
func (c *conn) resizeTable(most uint32) {
	c.encoder.SetMaxDynamicTableSizeLimit(most)
	c.encoder.SetMaxDynamicTableSize(min(most, firstTable))
	c.kept = c.kept[:0]
}

func (c *conn) putReset(x *call, code http2.ErrCode) {
	c.putReply(http2.FrameRSTStream, 0, x.id, binary.BigEndian.AppendUint32(nil, uint32(code)))
	c.wakeWriter()
}

// putWindowUpdate lets the target send more: on a stream, or with 0 on the connection.
func (c *conn) putWindowUpdate(stream uint32, bytes int) {
	c.putReply(http2.FrameWindowUpdate, 0, stream, binary.BigEndian.AppendUint32(nil, uint32(bytes)))
}

// putReply appends a frame that a frame of the target asked for.
func (c *conn) putReply(kind http2.FrameType, flags http2.Flags, stream uint32, payload []byte) {
	before := len(c.out)
	c.put(kind, flags, stream, payload)
	c.asked += len(c.out) - before
}

// put appends one frame to out.
func (c *conn) put(kind http2.FrameType, flags http2.Flags, stream uint32, payload []byte) {
	c.putHeader(kind, flags, stream, len(payload))
	c.out = append(c.out, payload...)
}

func (c *conn) putHeader(kind http2.FrameType, flags http2.Flags, stream uint32, size int) {
	c.out = append(c.out, byte(size>>16), byte(size>>8), byte(size), byte(kind), byte(flags))
	c.out = binary.BigEndian.AppendUint32(c.out, stream)
}
