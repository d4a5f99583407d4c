package witness

import (
	"bytes"
	"errors"

	"wringer/drivers/http1"
)

// message reads the messages of one direction of an HTTP/1.x connection, from pieces of any size (RFC 9112). It keeps
// at most an unfinished line.
type message struct {
	head head
	line []byte // an unfinished line
	size int    // of the head or the trailer so far
	part part
	left int64 // of the body, or of the chunk

	// begin gets a start line, header each header line, framed the end of the head. framed returns where the body
	// ends.
	begin  func(line []byte) error
	header func(name, value []byte) error
	framed func() (framing, error)
	// piece gets each piece of a body; nil: nobody looks into it.
	piece func(b []byte)
	// whole is called after the last byte of a message.
	whole func() error
}

// part is the part of a message that comes next.
type part uint8

const (
	startLine part = iota
	headerLine
	body
	chunkSize
	chunkBody
	chunkEnd
	trailer
	untilClose
)

// head is the framing information of the header lines.
type head struct {
	length   int64 // -1: absent
	chunked  bool
	encoding bool
}

// framing says where a body ends.
type framing struct {
	length  int64
	chunked bool
	close   bool // at the end of the connection
}

// headBound is far above the limits of clients and servers.
const headBound = 1 << 20

// errInterim marks the end of a 1xx head, which another head follows.
var errInterim = errors.New("interim")

// feed reads the next piece.
func (m *message) feed(b []byte) error {
	for len(b) > 0 {
		switch m.part {
		case untilClose:
			return nil
		case body, chunkBody:
			n := min(m.left, int64(len(b)))
			if m.piece != nil {
				m.piece(b[:n])
			}
			b = b[n:]
			if m.left -= n; m.left > 0 {
				return nil
			}
			if err := m.filled(); err != nil {
				return err
			}
		default:
			line, rest, err := m.cut(b)
			if err != nil {
				return err
			}
			if b = rest; line == nil {
				return nil
			}
			err = m.take(line)
			m.line = m.line[:0]
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// cut cuts one line off b, without its line end. It returns a nil line if the line is incomplete. A lone LF ends a
// line too (RFC 9112, 2.2).
func (m *message) cut(b []byte) (line, rest []byte, err error) {
	i := bytes.IndexByte(b, '\n')
	n := i + 1
	if i < 0 {
		n = len(b)
	}
	if m.size += n; m.size > headBound {
		return nil, nil, errors.New("a head, a trailer or a chunk's line of more than 1 MiB")
	}
	if i < 0 {
		m.line = append(m.line, b...)
		return nil, nil, nil
	}
	line = b[:n]
	if len(m.line) > 0 {
		m.line = append(m.line, line...)
		line = m.line
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), b[n:], nil
}

// take reads one line, which is never nil.
func (m *message) take(line []byte) error {
	switch m.part {
	case startLine:
		m.head, m.part = head{length: -1}, headerLine
		return m.begin(line)
	case headerLine:
		if len(line) > 0 {
			return m.field(line)
		}
		return m.body()
	case chunkSize:
		return m.chunk(line)
	case chunkEnd:
		if len(line) > 0 {
			return errors.New("a chunk that is longer than its size")
		}
		m.part, m.size = chunkSize, 0
		return nil
	default: // trailer
		if len(line) == 0 {
			return m.end()
		}
		return nil
	}
}

// field reads a header line.
func (m *message) field(line []byte) error {
	i := bytes.IndexByte(line, ':')
	if i <= 0 || line[0] == ' ' || line[0] == '\t' {
		return errors.New("a header line without a name")
	}
	name, value := line[:i], bytes.Trim(line[i+1:], " \t")
	switch {
	case http1.Is(name, "Content-Length"):
		n, ok := http1.Length(value)
		if !ok || m.head.length >= 0 && m.head.length != n {
			return errors.New("an invalid or contradictory content length")
		}
		m.head.length = n
	case http1.Is(name, "Transfer-Encoding"):
		m.head.encoding = true
		last := value
		if i := bytes.LastIndexByte(value, ','); i >= 0 {
			last = bytes.Trim(value[i+1:], " \t")
		}
		m.head.chunked = http1.Is(last, "chunked")
	}
	return m.header(name, value)
}

// body starts the part after a head.
func (m *message) body() error {
	f, err := m.framed()
	m.size = 0
	switch {
	case err == errInterim:
		m.part = startLine
		return nil
	case err != nil:
		return err
	case f.close:
		m.part = untilClose
	case f.chunked:
		m.part = chunkSize
	case f.length == 0:
		return m.end()
	default:
		m.part, m.left = body, f.length
	}
	return nil
}

// filled handles the end of a body of known length, or of a chunk.
func (m *message) filled() error {
	if m.part == body {
		return m.end()
	}
	m.part = chunkEnd
	return nil
}

// chunk reads the line before a chunk: the size in hexadecimal, with an optional extension.
func (m *message) chunk(line []byte) error {
	size, _, _ := bytes.Cut(line, []byte(";"))
	size = bytes.TrimRight(size, " \t")
	n, ok := http1.ChunkSize(size)
	if !ok {
		return errors.New("a chunk without a size")
	}
	m.size = 0
	if m.part, m.left = chunkBody, n; n == 0 {
		m.part = trailer
	}
	return nil
}

func (m *message) end() error {
	m.part, m.size = startLine, 0
	return m.whole()
}

// isVisible reports whether b consists of visible characters, as a method does.
func isVisible(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(b) > 0
}
