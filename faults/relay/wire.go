package relay

import (
	"encoding/json"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/yamux"
)

// TokenVariable is the environment variable in which a relay finds the token, and ControlPort the port on which it waits for the
// process.
const (
	TokenVariable = "WRINGER_RELAY_TOKEN"
	ControlPort   = 65535
)

// greeting is what each side sends first. The process's is followed by the token and a line's end.
const (
	greeting = "wringer relay 1 "
	welcome  = "welcome to 1\n"
)

// message is one line of the first stream, which the process opens.
type message struct {
	// Listen asks the relay for a listener with this number on the address At. The relay's answer has the address, or Error.
	Listen uint32 `json:"listen,omitempty"`
	At     string `json:"at,omitempty"`
	Error  string `json:"error,omitempty"`
	// Close ends a listener.
	Close uint32 `json:"close,omitempty"`
	// Reset is the stream of a connection that was reset. Either side tells it.
	Reset uint32 `json:"reset,omitempty"`
	// Known answers Reset: the stream may end now.
	Known uint32 `json:"known,omitempty"`
}

// control is the first stream of a session. Its method send is safe for concurrent use.
type control struct {
	mu     sync.Mutex
	stream net.Conn
	reader *json.Decoder
}

func newControl(stream net.Conn) *control {
	return &control{stream: stream, reader: json.NewDecoder(stream)}
}

func (c *control) send(m message) error {
	line, err := json.Marshal(m)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err = c.stream.Write(append(line, '\n'))
	return err
}

func (c *control) receive() (m message, err error) {
	err = c.reader.Decode(&m)
	return m, err
}

// header is what the relay sends first on a connection's stream: the listener, and the address of who connected.
type header struct {
	listener uint32
	from     netip.AddrPort
}

const headerSize = 4 + 16 + 2

func (h header) write(w io.Writer) error {
	raw := []byte{byte(h.listener >> 24), byte(h.listener >> 16), byte(h.listener >> 8), byte(h.listener)}
	address := h.from.Addr().As16()
	raw = append(append(raw, address[:]...), byte(h.from.Port()>>8), byte(h.from.Port()))
	_, err := w.Write(raw)
	return err
}

func readHeader(r io.Reader) (h header, err error) {
	var raw [headerSize]byte
	if _, err := io.ReadFull(r, raw[:]); err != nil {
		return h, err
	}
	h.listener = uint32(raw[0])<<24 | uint32(raw[1])<<16 | uint32(raw[2])<<8 | uint32(raw[3])
	h.from = netip.AddrPortFrom(netip.AddrFrom16([16]byte(raw[4:20])).Unmap(), uint16(raw[20])<<8|uint16(raw[21]))
	return h, nil
}

// multiplexing is how both sides share one connection. Streams may stay half-closed without end, and a busy machine may answer
// late.
func multiplexing() *yamux.Config {
	c := yamux.DefaultConfig()
	c.ConnectionWriteTimeout = time.Minute
	c.KeepAliveInterval = 10 * time.Second
	c.StreamOpenTimeout, c.StreamCloseTimeout = 0, 0
	c.MaxStreamWindowSize = 1 << 20
	c.LogOutput = io.Discard
	return c
}
