package scrape

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// mostBody bounds an answer, in bytes, after its decompression.
const mostBody = 16 << 20

// getter gets documents within a time and a size.
type getter struct {
	client  *http.Client
	headers map[string]string
	timeout time.Duration
}

// within bounds one reading.
func (g *getter) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, g.timeout, fmt.Errorf("no whole answer came within %s", g.timeout))
}

// get gets one document. refused: the answer may have another status than 200, and its body says why.
func (g *getter) get(ctx context.Context, at *url.URL, accept string, refused bool) (body []byte, contentType string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, "", err
	}
	r.Header.Set("Accept", accept)
	for name, value := range g.headers {
		r.Header.Set(name, value)
	}
	answer, err := g.client.Do(r)
	if err != nil {
		return nil, "", plainly(ctx, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK && !refused {
		return nil, "", fmt.Errorf("the answer is %s", answer.Status)
	}
	body, err = io.ReadAll(io.LimitReader(answer.Body, mostBody+1))
	switch {
	case err != nil:
		return nil, "", plainly(ctx, fmt.Errorf("the answer broke off: %w", err))
	case len(body) > mostBody:
		return nil, "", fmt.Errorf("the answer is longer than %d bytes", mostBody)
	}
	return body, answer.Header.Get("Content-Type"), nil
}

// plainly is an error without the URL, which may hold a secret. Where the time ran out, it says so.
func plainly(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// close ends the connections.
func (g *getter) close() { g.client.CloseIdleConnections() }
