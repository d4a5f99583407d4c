package imagetest

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// engine is a container engine's HTTP API. Safe for concurrent use.
type engine struct {
	client *http.Client
	base   string
}

// answerWithin bounds a request that moves no image.
const answerWithin = 20 * time.Second

// newEngine returns the engine that DOCKER_HOST names. It does not connect yet.
func newEngine() (*engine, error) {
	host := cmp.Or(os.Getenv("DOCKER_HOST"), "unix:///var/run/docker.sock")
	kind, address, _ := strings.Cut(host, "://")
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: time.Second}).DialContext(ctx, kind, address)
	}
	if kind != "unix" && kind != "tcp" {
		return nil, fmt.Errorf("DOCKER_HOST is %q: the tests reach engines at unix:// and tcp:// alone", host)
	}
	transport := &http.Transport{DialContext: dial, DisableKeepAlives: true} // no connection outlives a test
	return &engine{client: &http.Client{Transport: transport}, base: "http://engine/v1.41"}, nil
}

// refusal is an error answer of the engine.
type refusal struct {
	status int
	what   string
}

func (r refusal) Error() string { return fmt.Sprintf("%s (%d)", r.what, r.status) }

func isStatus(err error, status int) bool {
	var r refusal
	return errors.As(err, &r) && r.status == status
}

// do asks, and hands back the answer's body, which the caller closes.
func (e *engine) do(ctx context.Context, method, path string, query url.Values, body io.Reader) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, method, e.base+path+"?"+query.Encode(), body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := e.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask the container engine: %w", err)
	}
	if answer.StatusCode < http.StatusBadRequest {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	var said struct{ Message string }
	_ = json.NewDecoder(answer.Body).Decode(&said) // the status tells enough
	return nil, fmt.Errorf("container engine: %s %s: %w", method, path, refusal{answer.StatusCode, said.Message})
}

// ask decodes the answer into into; nil: not needed.
func (e *engine) ask(ctx context.Context, method, path string, query url.Values, body io.Reader, into any) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	answer, err := e.do(ctx, method, path, query, body)
	if err != nil {
		return err
	}
	defer answer.Close()
	if into == nil {
		_, err := io.Copy(io.Discard, answer)
		return err
	}
	return json.NewDecoder(answer).Decode(into)
}

// architecture is the engine's, as Go names it.
func (e *engine) architecture(ctx context.Context) (string, error) {
	var version struct{ Arch, Os string }
	if err := e.ask(ctx, http.MethodGet, "/version", nil, nil, &version); err != nil {
		return "", err
	}
	if version.Os != "linux" {
		return "", fmt.Errorf("the container engine runs %s containers, and the test images are Linux's", version.Os)
	}
	return version.Arch, nil
}

// holds reports whether the engine has the image.
func (e *engine) holds(ctx context.Context, ref string) (bool, error) {
	err := e.ask(ctx, http.MethodGet, "/images/"+ref+"/json", nil, nil, nil)
	if isStatus(err, http.StatusNotFound) {
		return false, nil
	}
	return err == nil, err
}

// load makes an image of a root file system, given as a tar archive, and changes in the form of a Dockerfile's lines.
func (e *engine) load(ctx context.Context, repository, tag string, changes []string, rootfs io.Reader) error {
	// Podman takes no tag apart.
	query := url.Values{"fromSrc": {"-"}, "repo": {repository + ":" + tag}, "changes": changes}
	answer, err := e.do(ctx, http.MethodPost, "/images/create", query, rootfs)
	if err != nil {
		return err
	}
	defer answer.Close()
	lines := bufio.NewScanner(answer)
	for lines.Scan() { // a failure comes as a line of a 200
		var line struct{ Error string }
		if err := json.Unmarshal(lines.Bytes(), &line); err == nil && line.Error != "" {
			return fmt.Errorf("container engine: load image %s:%s: %s", repository, tag, line.Error)
		}
	}
	return lines.Err()
}

func (e *engine) tag(ctx context.Context, ref, repository, tag string) error {
	return e.ask(ctx, http.MethodPost, "/images/"+ref+"/tag", url.Values{"repo": {repository}, "tag": {tag}}, nil, nil)
}

// held is an image of the engine.
type held struct {
	ID       string `json:"Id"`
	RepoTags []string
	Created  int64 // seconds since 1970
}

// ours lists the images with the label, of one repository or, if that is empty, of all.
func (e *engine) ours(ctx context.Context, repository string) (all []held, err error) {
	filters := map[string][]string{"label": {Label + "=1"}}
	if repository != "" {
		filters["reference"] = []string{repository}
	}
	text, err := json.Marshal(filters)
	if err != nil {
		return nil, err
	}
	err = e.ask(ctx, http.MethodGet, "/images/json", url.Values{"filters": {string(text)}}, nil, &all)
	return all, err
}

// remove removes an image by a tag or an id. A container that uses it keeps it.
func (e *engine) remove(ctx context.Context, ref string) error {
	err := e.ask(ctx, http.MethodDelete, "/images/"+ref, nil, nil, nil)
	if isStatus(err, http.StatusNotFound) {
		return nil // another process was quicker
	}
	return err
}
