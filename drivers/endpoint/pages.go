package endpoint

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"wringer/drivers"
	"wringer/drivers/effect"
	"wringer/drivers/jsonpath"
)

const (
	mostPage  = 64 << 20 // bytes
	mostPages = 10_000
	mostLine  = 1 << 20 // bytes, of a followed stream
)

// pages reads an endpoint page by page.
type pages struct {
	config      Config
	client      *http.Client
	first       *url.URL
	items, next *jsonpath.Path
	documents   effect.Documents
	identity    drivers.IdentityReader
	read        int // pages of the last reading
	// last and present are the items of this run on the page before and on the present one; repeated says that some are on both.
	last, present map[string]bool
	repeated      bool
}

// errRepeated is retried: the place may have changed between the pages.
var errRepeated = fmt.Errorf("%w: an item is there on two pages, one after the other, with every byte the same: either the cursor includes the item that it names, or the effect is there twice; let the cursor be exclusive, or give each item a number of its own", effect.ErrAgain)

var (
	_ effect.Whole     = (*pages)(nil)
	_ effect.Piecewise = (*pages)(nil)
)

// Pieces implements effect.Piecewise.
func (p *pages) Pieces() int { return p.read }

// Read implements effect.Whole. Pages that lead back to one that was read, or go on and on, are no whole place.
func (p *pages) Read(ctx context.Context, item func(effect.Field) error) error {
	seen := make(map[string]bool)
	p.last, p.present, p.repeated = nil, nil, false
	for at := p.first; at != nil; {
		if seen[at.String()] {
			return fmt.Errorf("page %d leads back to a page that was read before: the pages make a loop", len(seen))
		}
		if seen[at.String()] = true; len(seen) > mostPages {
			return fmt.Errorf("there are more than %d pages", mostPages)
		}
		next, err := p.page(ctx, at, item)
		p.read = len(seen)
		if err != nil {
			return fmt.Errorf("page %d: %w", len(seen), err)
		}
		at = next
		p.last, p.present = p.present, nil
	}
	if p.repeated {
		return errRepeated
	}
	return nil
}

// isRepeated says whether an item of this run stood on the page before as it is.
func (p *pages) isRepeated(doc []byte, field effect.Field) bool {
	id, _ := field(p.config.ID)
	if _, whose := p.identity.Parse(id); whose != drivers.Ours {
		return false
	}
	if p.present == nil {
		p.present = make(map[string]bool)
	}
	p.present[string(doc)] = true
	return p.last[string(doc)]
}

// get asks for a page.
func (p *pages) get(ctx context.Context, at *url.URL) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	for name, value := range p.config.Headers {
		r.Header.Set(name, value)
	}
	answer, err := p.client.Do(r)
	if err != nil {
		var of *url.Error
		if errors.As(err, &of) {
			err = of.Err // the URL may hold a secret
		}
		return nil, fmt.Errorf("%w: %w", drivers.ErrUnreachable, err)
	}
	if answer.StatusCode != http.StatusOK {
		answer.Body.Close()
		return nil, fmt.Errorf("%w: the answer is %s", drivers.ErrUnreachable, answer.Status)
	}
	return answer, nil
}

// page reads one page, and returns the next one; nil after the last.
func (p *pages) page(ctx context.Context, at *url.URL, item func(effect.Field) error) (next *url.URL, err error) {
	answer, err := p.get(ctx, at)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, mostPage+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: the answer broke off: %w", drivers.ErrUnreachable, err)
	case len(body) > mostPage:
		return nil, fmt.Errorf("the page is longer than %d bytes", mostPage)
	}
	body = bytes.TrimPrefix(body, []byte("\ufeff")) // a byte order mark
	items, err := p.split(body)
	if err != nil {
		return nil, err
	}
	for _, one := range items {
		field, err := p.documents.Fields(one)
		if err != nil {
			return nil, err
		}
		if p.isRepeated(one, field) { // it is not counted twice, nor as one
			p.repeated = true
			continue
		}
		if err := item(field); err != nil {
			return nil, err
		}
	}
	return p.after(at, answer.Header, body)
}

// split cuts a page into items.
func (p *pages) split(body []byte) ([][]byte, error) {
	body = bytes.TrimSpace(body)
	if p.items != nil || bytes.HasPrefix(body, []byte("[")) {
		return effect.Items(body, p.items)
	}
	var lines [][]byte
	for n, line := range bytes.Split(body, []byte("\n")) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if !json.Valid(line) {
			return nil, fmt.Errorf("line %d is no JSON: the page is neither a list nor JSON lines; name the list with items", n+1)
		}
		lines = append(lines, line)
	}
	if len(lines) == 1 && !p.identified(lines[0]) {
		return nil, fmt.Errorf("it is one JSON document without %s: name the list in it with items", p.config.ID)
	}
	return lines, nil
}

// identified says that a document has something where the identity of an item stands.
func (p *pages) identified(doc []byte) bool {
	field, err := p.documents.Fields(doc)
	if err != nil {
		return false
	}
	_, found := field(p.config.ID)
	return found
}

// linkNext finds the next page in a Link header (RFC 8288).
var linkNext = regexp.MustCompile(`<([^>]*)>\s*(?:;[^,]*)?;\s*rel\s*=\s*"?(?:[^",]*\s)?next(?:\s[^",]*)?"?`)

// after is the page that follows.
func (p *pages) after(at *url.URL, header http.Header, body []byte) (*url.URL, error) {
	if found := linkNext.FindStringSubmatch(strings.Join(header.Values("Link"), ", ")); found != nil {
		return at.Parse(found[1])
	}
	if p.next == nil {
		return nil, nil
	}
	tree, err := effect.Tree(body)
	if err != nil {
		return nil, err
	}
	value, found := p.next.In(tree)
	text := ""
	switch v := value.(type) {
	case string:
		text = v
	case json.Number:
		text = v.String()
	case nil:
	case bool:
		found = v // false: there is none
		if v {
			return nil, errors.New("next is true, and no cursor")
		}
	default:
		return nil, errors.New("next holds neither a URL nor a cursor")
	}
	if !found || text == "" {
		return nil, nil
	}
	if p.config.Cursor == "" {
		return at.Parse(text)
	}
	next := *p.first
	query := next.Query()
	query.Set(p.config.Cursor, text)
	next.RawQuery = query.Encode()
	return &next, nil
}

// Close implements effect.Whole.
func (p *pages) Close() error {
	p.client.CloseIdleConnections()
	return nil
}

// follow opens the stream.
func (p *pages) follow(ctx context.Context) (effect.Stream, error) {
	answer, err := p.get(ctx, p.first)
	if err != nil {
		return nil, err
	}
	s := &stream{pages: p, body: answer.Body, lines: bufio.NewScanner(answer.Body)}
	s.lines.Buffer(make([]byte, 64<<10), mostLine)
	return s, nil
}

// stream is an answer without an end.
type stream struct {
	pages *pages
	body  io.ReadCloser
	lines *bufio.Scanner
}

// eventField matches the lines of server-sent events that hold no data.
var eventField = regexp.MustCompile(`^(event|id|retry)?:`)

// Next implements effect.Stream: the next line, or the next event's data.
func (s *stream) Next() ([]byte, error) {
	for s.lines.Scan() {
		line := bytes.TrimSpace(s.lines.Bytes())
		data, ok := bytes.CutPrefix(line, []byte("data:"))
		switch line = bytes.TrimSpace(data); {
		case len(line) == 0 || !ok && eventField.Match(line):
		case json.Valid(line):
			return line, nil
		default:
			return nil, fmt.Errorf("a line is no JSON document: %.40q", line)
		}
	}
	if err := s.lines.Err(); err != nil {
		return nil, err
	}
	return nil, io.EOF
}

// Close implements effect.Stream.
func (s *stream) Close() error {
	err := s.body.Close()
	s.pages.client.CloseIdleConnections()
	return err
}
