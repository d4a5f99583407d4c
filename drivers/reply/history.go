package reply

// history keeps of each operation how often it was sent, how many replies to it came, and whether one of them was taken: two bytes
// for each, in pages. Operations are numbered from 0 without gaps. Not safe for concurrent use.
type history struct{ pages []*[pageSize]entry }

const pageSize = 1 << 12

type entry struct {
	sent    uint8 // saturates at mostSent; then no reply is one too many
	replies uint8 // 7 bits, saturating, and the bit taken
}

const (
	mostSent    = 255
	mostReplies = 127
	takenBit    = 128
)

// of returns the entry of an operation that was sent; nil: it was not.
func (h *history) of(seq uint64) *entry {
	page := seq / pageSize
	if page >= uint64(len(h.pages)) || h.pages[page] == nil {
		return nil
	}
	if e := &h.pages[page][seq%pageSize]; e.sent > 0 {
		return e
	}
	return nil
}

// send counts a transmission. seq is one of ours, so that the pages grow no further than the traffic.
func (h *history) send(seq uint64) {
	page := int(seq / pageSize)
	for len(h.pages) <= page {
		h.pages = append(h.pages, nil)
	}
	if h.pages[page] == nil {
		h.pages[page] = new([pageSize]entry)
	}
	if e := &h.pages[page][seq%pageSize]; e.sent < mostSent {
		e.sent++
	}
}

// reply counts a reply. surplus says that there are more replies than transmissions, first that it is the only one so far.
func (e *entry) reply() (surplus, first bool) {
	n := e.replies &^ takenBit
	if n < mostReplies {
		e.replies++
		n++
	}
	return e.sent < mostSent && n > e.sent, n == 1
}

// came is how many replies came, mostReplies at most.
func (e *entry) came() uint8 { return e.replies &^ takenBit }

func (e *entry) take()       { e.replies |= takenBit }
func (e *entry) taken() bool { return e.replies&takenBit != 0 }

// anew forgets how many replies came: all of them come again.
func (h *history) anew() {
	for _, page := range h.pages {
		if page == nil {
			continue
		}
		for i := range page {
			page[i].replies &= takenBit
		}
	}
}
