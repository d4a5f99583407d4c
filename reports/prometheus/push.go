package prometheus

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// PushConfig says where metrics go, and how often. URL and Gather are required. A zero value of another field means its default.
type PushConfig struct {
	URL     string // of a receiver of remote write 1.0; user and password in it log in
	Gather  func() ([]*dto.MetricFamily, error)
	Every   time.Duration // between two pushes; 5 s
	Timeout time.Duration // of one request; 5 s
	Backoff time.Duration // before the second request of a push, doubled before each further one; 500 ms
	Agent   string        // the User-Agent
	// Failed takes the first failure, at once, from a goroutine of the pusher. Nil: nobody is told before Close.
	Failed func(error)
}

const (
	// tries is how often a push is sent. waiting bounds the pushes that wait for the receiver: the oldest makes room.
	tries   = 3
	waiting = 12
)

// Pusher sends metrics by remote write. What it does never holds up the run.
type Pusher struct {
	config PushConfig
	place  string // the URL without its password
	client *http.Client
	queue  chan []byte
	stop   chan struct{}
	cancel context.CancelFunc
	all    sync.WaitGroup

	gathering sync.Mutex
	last      int64 // time of the last push, in milliseconds; under gathering

	mu      sync.Mutex // guards what follows
	pushed  int
	failed  int
	failure error // the last
}

// CheckURL wants the address of a receiver.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("write a URL such as http://127.0.0.1:9090/api/v1/write")
	}
	return nil
}

// Push begins to send. The caller calls Close.
func Push(config PushConfig) (*Pusher, error) {
	if err := CheckURL(config.URL); err != nil {
		return nil, err
	}
	u, err := url.Parse(config.URL)
	if err != nil {
		return nil, err
	}
	config.Every, config.Timeout = cmp.Or(config.Every, 5*time.Second), cmp.Or(config.Timeout, 5*time.Second)
	config.Backoff = cmp.Or(config.Backoff, 500*time.Millisecond)
	ctx, cancel := context.WithCancel(context.Background())
	p := &Pusher{
		config: config, place: u.Redacted(), queue: make(chan []byte, waiting), stop: make(chan struct{}), cancel: cancel,
		client: &http.Client{
			Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConns: 1, ForceAttemptHTTP2: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	p.all.Go(p.gather)
	p.all.Go(func() { p.send(ctx) })
	return p, nil
}

// Close pushes a last time and waits for the receiver, until ctx ends. The error says how many pushes failed, and why the last one did.
// Now is not called any more.
func (p *Pusher) Close(ctx context.Context) error {
	close(p.stop)
	defer context.AfterFunc(ctx, p.cancel)()
	p.all.Wait()
	p.cancel()
	p.client.CloseIdleConnections()
	if p.failed == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d pushes to %s failed, the last of them: %w", p.failed, p.pushed, p.place, p.failure)
}

// gather takes the metrics at each interval, and a last time at the end.
func (p *Pusher) gather() {
	defer close(p.queue)
	tick := time.NewTicker(p.config.Every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.Now()
		case <-p.stop:
			p.Now()
			return
		}
	}
}

// Now adds the metrics as they are to the pushes that wait. It does not wait for the receiver: if too many wait, the oldest is lost.
func (p *Pusher) Now() {
	p.gathering.Lock()
	defer p.gathering.Unlock()
	families, err := p.config.Gather()
	if err != nil {
		p.ended(fmt.Errorf("gather metrics: %w", err))
		return
	}
	// A receiver refuses two values of one series at one time.
	p.last = max(time.Now().UnixMilli(), p.last+1)
	body := encode(families, p.last)
	for {
		select {
		case p.queue <- body:
			return
		default:
		}
		select {
		case <-p.queue:
			p.ended(errors.New("the receiver takes less than it is sent"))
		default:
		}
	}
}

// send sends the pushes of the queue one after the other.
func (p *Pusher) send(ctx context.Context) {
	for body := range p.queue {
		p.ended(p.push(ctx, body))
	}
}

// ended counts a push.
func (p *Pusher) ended(err error) {
	p.mu.Lock()
	p.pushed++
	first := err != nil && p.failed == 0
	if err != nil {
		p.failed, p.failure = p.failed+1, err
	}
	p.mu.Unlock()
	if first && p.config.Failed != nil {
		p.config.Failed(fmt.Errorf("push metrics to %s: %w", p.place, err))
	}
}

// push sends one push, and again while the receiver may take it later.
func (p *Pusher) push(ctx context.Context, body []byte) error {
	wait := p.config.Backoff
	for try := 1; ; try++ {
		again, err := p.post(ctx, body)
		if err == nil || !again || try == tries {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
		wait *= 2
	}
}

// post makes one request. again: it may be answered otherwise later.
func (p *Pusher) post(ctx context.Context, body []byte) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.config.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.config.URL, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	for name, value := range map[string]string{
		"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf", "X-Prometheus-Remote-Write-Version": "0.1.0",
		"User-Agent": cmp.Or(p.config.Agent, "wringer"),
	} {
		request.Header.Set(name, value)
	}
	answer, err := p.client.Do(request)
	switch at := new(url.Error); {
	case err == nil:
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return true, fmt.Errorf("no answer within %s", p.config.Timeout)
	case errors.As(err, &at):
		return ctx.Err() == nil, at.Err // without the URL
	default:
		return ctx.Err() == nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 == 2 {
		return false, nil
	}
	const most = 200
	text, _ := io.ReadAll(io.LimitReader(answer.Body, most)) // the status stands without it
	err = fmt.Errorf("%s %s", answer.Status, strings.ToValidUTF8(strings.TrimSpace(string(text)), "?"))
	return answer.StatusCode >= 500 || answer.StatusCode == http.StatusTooManyRequests, err
}
