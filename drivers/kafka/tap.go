package kafka

import (
	"encoding/binary"
	"net"
	"sync"
	"time"
)

// tap is a connection of the producer that observes its traffic. It relies on two properties of sarama's Broker: a request
// is one Write, and Writes do not overlap. If the first fails, the pending records are marked blind. A tap must be directly
// below sarama, and above any TLS.
type tap struct {
	net.Conn
	counter *brokerCounter
	records *pendingRecords
	clock   func() time.Duration
	reader  *reader
	// lost is called for each record whose transmission will not be answered, because the connection ended. nil: not
	// needed.
	lost func(*pendingRecord, error)
	// acked is called with the records that an answer acked.
	acked func([]*pendingRecord)

	mu      sync.Mutex
	pending map[int32]*transmission // unanswered, by correlation id; bounded by sarama's open requests
	answers assembler               // used by Read only
}

func newTap(conn net.Conn, counter *brokerCounter, records *pendingRecords, clock func() time.Duration, reader *reader) *tap {
	return &tap{Conn: conn, counter: counter, records: records, clock: clock, reader: reader, pending: make(map[int32]*transmission)}
}

// Write implements net.Conn. It counts a transmission before the first byte is sent: the answer may come before Write
// returns.
func (t *tap) Write(p []byte) (int, error) {
	sent, correlation := t.transmit(p)
	n, err := t.Conn.Write(p)
	if err != nil && sent != nil {
		t.mu.Lock()
		delete(t.pending, correlation)
		t.mu.Unlock()
		if n == 0 {
			t.records.recall(sent)
		}
	}
	return n, err
}

// transmit notes a Produce request. It returns nil for other requests.
func (t *tap) transmit(p []byte) (*transmission, int32) {
	head, err := parseHead(p)
	if err == nil && head.key != produceKey {
		return nil, 0
	}
	var all []partitionRefs
	var acks int16
	if err == nil {
		all, acks, err = t.reader.read(head)
	}
	if err != nil {
		t.records.blind.Store(true)
		return nil, 0
	}
	sent := t.records.transmitting(head.version, all, t.counter, t.clock())
	if acks != 0 {
		t.mu.Lock()
		t.pending[head.correlation] = sent
		t.mu.Unlock()
	}
	return sent, head.correlation
}

// Read implements net.Conn. It notes an answer before sarama can read the answer's last byte.
func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	if n > 0 {
		t.answers.feed(p[:n], t.awaited, t.answered)
	}
	if err != nil && t.lost != nil {
		t.end(err)
	}
	return n, err
}

// end reports the unanswered transmissions as lost. sarama reads no further after an error.
func (t *tap) end(err error) {
	t.mu.Lock()
	pending := t.pending
	t.pending = make(map[int32]*transmission)
	t.mu.Unlock()
	for _, sent := range pending {
		for _, h := range sent.partitions {
			for _, r := range h.records {
				if r != nil {
					t.lost(r, err)
				}
			}
		}
	}
}

func (t *tap) awaited(correlation int32) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.pending[correlation] != nil
}

func (t *tap) answered(correlation int32, body []byte) {
	t.mu.Lock()
	sent := t.pending[correlation]
	delete(t.pending, correlation)
	t.mu.Unlock()
	// An answer that cannot be parsed proves nothing: the transmission stays unanswered.
	if answers, err := readAnswer(sent.version, body); err == nil {
		if acked := t.records.answer(sent, answers); len(acked) > 0 {
			t.acked(acked)
		}
	}
}

// maxAnswer bounds the assembled responses. A longer response is no answer to Produce.
const maxAnswer = 8 << 20

// assembler assembles responses from the pieces in which they arrive.
type assembler struct {
	head [8]byte // length and correlation id
	got  int     // bytes of head
	left int64   // missing bytes of the response, after head
	keep bool    // the response is wanted
	body []byte
}

// feed takes the next piece. wanted says whether to keep a response. complete gets each kept response; its body is valid
// during the call.
func (a *assembler) feed(p []byte, wanted func(int32) bool, complete func(int32, []byte)) {
	for len(p) > 0 {
		if a.got < len(a.head) {
			n := copy(a.head[a.got:], p)
			a.got += n
			p = p[n:]
			if a.got < len(a.head) {
				return
			}
			a.begin(wanted)
		}
		n := min(int64(len(p)), a.left)
		if a.keep {
			a.body = append(a.body, p[:n]...)
		}
		a.left -= n
		p = p[n:]
		if a.left > 0 {
			return
		}
		a.got = 0
		if a.keep {
			complete(a.correlation(), a.body)
		}
	}
}

func (a *assembler) begin(wanted func(int32) bool) {
	a.left = max(0, int64(int32(binary.BigEndian.Uint32(a.head[:])))-4)
	a.keep = a.left <= maxAnswer && wanted(a.correlation())
	a.body = a.body[:0]
}

func (a *assembler) correlation() int32 { return int32(binary.BigEndian.Uint32(a.head[4:])) }
