package amqp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"wringer/drivers"
)

// management asks the management API of a broker. Safe for concurrent use.
type management struct {
	public         string // the API's URL, without what is secret
	queue, vhost   string // queue is the one that is asked for; empty: none
	user, password string
	client         *http.Client
	patience       time.Duration // bounds one answer
}

// maxManagement bounds an answer: that of a queue has some kilobytes.
const maxManagement = 1 << 20

// checkManagement tells what is wrong with the URL of the management API.
func (c *Config) checkManagement(problem func(field, message string)) {
	if c.Management != "" && c.Queue == "" {
		problem("management", "goes with queue: it tells the depth of that queue")
	}
	checkManagement(c.Management, problem)
}

// checkManagement tells what is wrong with a URL, unless there is none.
func checkManagement(text string, problem func(field, message string)) {
	if text == "" || holdsVariable(text) {
		return
	}
	if _, err := parseManagement(text); err != nil {
		problem("management", err.Error())
	}
}

// parseManagement reads a URL. No error quotes the URL: it may hold a password.
func parseManagement(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, errors.New("is no URL of a management API: write http://USER:PASSWORD@HOST:15672/, or https://")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("has a query or a fragment: the API's place is a host, a port and a path")
	}
	return u, nil
}

// newManagement prepares the questions. A URL without a user has the login of AMQP.
func newManagement(text, queue string, d *dialer, env drivers.Env) (*management, error) {
	u, err := parseManagement(text)
	if err != nil {
		return nil, fmt.Errorf("%w: management %w", drivers.ErrConfig, err)
	}
	m := &management{queue: queue, vhost: d.vhost, user: d.user, password: d.password, patience: max(patience(env.Timeout), controlPatience)}
	if u.User != nil {
		m.user = u.User.Username()
		m.password, _ = u.User.Password()
	}
	u.User = nil
	m.public = strings.TrimSuffix(u.String(), "/")
	m.client = &http.Client{
		Transport:     &http.Transport{DialContext: env.Direct, TLSClientConfig: d.tlsConfig},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return m, nil
}

// ask returns the messages of the queue. known is false while the broker has no counts of it: of a new queue it has none for some
// seconds, and none ever where its statistics are turned off.
func (m *management) ask(ctx context.Context) (n held, known bool, err error) {
	var told struct {
		Ready   *int `json:"messages_ready"`
		Unacked *int `json:"messages_unacknowledged"`
	}
	if err := m.get(ctx, m.queuePath(), &told); err != nil {
		return n, false, err
	}
	if told.Ready == nil || told.Unacked == nil {
		return n, false, nil
	}
	return held{ready: *told.Ready, unacked: *told.Unacked, both: true}, true, nil
}

func (m *management) queuePath() string {
	return "/api/queues/" + url.PathEscape(m.vhost) + "/" + url.PathEscape(m.queue)
}

// nodes returns the names of all members of the cluster, also of those that are down.
func (m *management) nodes(ctx context.Context) (names []string, err error) {
	var told []struct {
		Name string `json:"name"`
	}
	switch err := m.get(ctx, "/api/nodes?columns=name", &told); {
	case errors.Is(err, errAbsent):
		return nil, fmt.Errorf("%w: %s is no management API of RabbitMQ: it knows no /api/nodes", drivers.ErrConfig, m.public)
	case err != nil:
		return nil, err
	}
	for _, node := range told {
		names = append(names, node.Name)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%w: the management API at %s names no node", drivers.ErrConfig, m.public)
	}
	return names, nil
}

// errAbsent is the API's answer to a question about what is not there.
var errAbsent = errors.New("no queue")

// bound says whether a queue is bound to an exchange.
func (m *management) bound(ctx context.Context, exchange, queue string) (bool, error) {
	var bindings []struct {
		Source *string `json:"source"`
	}
	at := "/api/bindings/" + url.PathEscape(m.vhost) + "/e/" + url.PathEscape(exchange) + "/q/" + url.PathEscape(queue)
	err := m.get(ctx, at, &bindings)
	if errors.Is(err, errAbsent) {
		return false, nil
	}
	if err == nil && len(bindings) > 0 && bindings[0].Source == nil {
		err = fmt.Errorf("%w: %s is no management API of RabbitMQ", drivers.ErrConfig, m.public)
	}
	return err == nil && len(bindings) > 0, err
}

// get reads the answer to one question.
func (m *management) get(ctx context.Context, path string, told any) error {
	ctx, cancel := context.WithTimeout(ctx, m.patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.public+path, nil)
	if err != nil {
		return err
	}
	request.SetBasicAuth(m.user, m.password)
	answer, err := m.client.Do(request)
	if err != nil {
		return fmt.Errorf("%w: the management API: %w", drivers.ErrUnreachable, err)
	}
	defer answer.Body.Close()
	if err := m.refusal(answer.StatusCode); err != nil {
		return err
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxManagement)).Decode(told); err != nil {
		return fmt.Errorf("%w: %s is no management API of RabbitMQ: %w", drivers.ErrConfig, m.public, err)
	}
	return nil
}

// refusal is why the API does not answer the question; nil: it does.
func (m *management) refusal(status int) error {
	switch status {
	case http.StatusOK:
		return nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%w: the management API at %s refuses user %s (status %d); name a user with the tag management or monitoring in the URL", drivers.ErrConfig, m.public, m.user, status)
	case http.StatusNotFound:
		return fmt.Errorf("%w: the management API at %s knows %w %s in vhost %s", drivers.ErrConfig, m.public, errAbsent, m.queue, m.vhost)
	}
	return fmt.Errorf("%w: the management API at %s answers with status %d", drivers.ErrUnreachable, m.public, status)
}

// first is what the queue holds before the traffic, within ctx. A queue of this run's own is empty, whatever the statistics say.
func (m *management) first(ctx context.Context, own bool) (held, error) {
	why := fmt.Errorf("%w: the management API at %s has no counts of queue %s; turn the broker's statistics on, or leave management out", drivers.ErrConfig, m.public, m.queue)
	for {
		n, known, err := m.ask(ctx)
		switch {
		case refusedConfig(err):
			return held{}, err
		case err == nil && own:
			return held{both: true}, nil
		case known:
			return n, nil
		case err != nil && ctx.Err() == nil:
			why = err
		}
		if !drivers.Pause(ctx, backoff) {
			return held{}, why
		}
	}
}

// close closes the connections. A nil management does nothing.
func (m *management) close() {
	if m != nil {
		m.client.CloseIdleConnections()
	}
}
