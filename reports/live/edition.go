package live

import (
	"encoding/json"

	"wringer/reports/html"
)

// edition is the page at one moment. The zero value is the one before the first.
type edition struct {
	number int
	made   *html.Edition
	since  map[string]int // by piece, the edition with which it last changed
	page   []byte         // the whole page; nil: nobody asked for it
}

// after is the next edition.
func (e *edition) after(made *html.Edition) *edition {
	before := make(map[string]string)
	if e.made != nil {
		for _, p := range e.made.Pieces {
			before[p.ID] = p.HTML
		}
	}
	next := &edition{number: e.number + 1, made: made, since: make(map[string]int, len(made.Pieces))}
	for _, p := range made.Pieces {
		next.since[p.ID] = next.number
		if text, known := before[p.ID]; known && text == p.HTML {
			next.since[p.ID] = e.since[p.ID]
		}
	}
	return next
}

// update is what a watcher is sent: the names of all pieces in order, and those that changed.
type update struct {
	Title  string            `json:"title"`
	Order  []string          `json:"order"`
	Pieces map[string]string `json:"pieces"`
	Data   json.RawMessage   `json:"data"` // of the charts
}

// changedSince is the update for a watcher that has the edition of that number. It has no line break.
func (e *edition) changedSince(number int) ([]byte, error) {
	u := update{Title: e.made.Title, Pieces: make(map[string]string), Data: e.made.Data}
	for _, p := range e.made.Pieces {
		u.Order = append(u.Order, p.ID)
		if e.since[p.ID] > number {
			u.Pieces[p.ID] = p.HTML
		}
	}
	return json.Marshal(u)
}
