package draft

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// MaxSteps bounds the steps of a recorded session.
const MaxSteps = 30

// archive is the part of an HTTP Archive (HAR 1.2) that a scenario needs.
type archive struct {
	Log struct {
		Entries []entry `json:"entries"`
	} `json:"log"`
}

type entry struct {
	Request struct {
		Method   string `json:"method"`
		URL      string `json:"url"`
		Headers  []pair `json:"headers"`
		PostData *struct {
			MimeType string `json:"mimeType"`
			Text     string `json:"text"`
		} `json:"postData"`
	} `json:"request"`
	Response struct {
		Status  int `json:"status"`
		Content struct {
			MimeType string `json:"mimeType"`
		} `json:"content"`
	} `json:"response"`
}

type pair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// decoration are the contents that a page loads for its looks.
var decoration = []string{"text/css", "javascript", "image/", "font", "video/", "audio/"}

// kept are the headers of a recorded request that a service may need. Browsers set all others by themselves.
var kept = []string{"accept", "content-type", idempotencyKey, "if-match", "if-none-match"}

// secrets are headers whose values no file should hold.
var secrets = []string{"authorization", "cookie", "proxy-authorization", "x-api-key"}

// HAR reads a recorded session: one stream, whose steps are the requests in their order. What a page loads for its looks is left out,
// and so are the hosts beside the first, and credentials.
func HAR(text []byte) (*Scenario, error) {
	var a archive
	if err := json.Unmarshal([]byte(strings.TrimPrefix(string(text), "\ufeff")), &a); err != nil {
		return nil, fmt.Errorf("is no HTTP Archive (HAR): %w", err)
	}
	out := &Scenario{Name: "session", From: "a recorded session (HAR)"}
	var steps []yaml.MapSlice
	host, foreign, looks, hidden, more := "", 0, 0, false, 0
	for i := range a.Log.Entries {
		e := &a.Log.Entries[i]
		at, err := url.Parse(e.Request.URL)
		if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
			continue
		}
		switch {
		case decorates(e.Response.Content.MimeType):
			looks++
			continue
		case host == "":
			host = at.Host
		case at.Host != host:
			foreign++
			continue
		}
		if len(steps) == MaxSteps {
			more++
			continue
		}
		step, secret := e.step(len(steps)+1, at)
		hidden = hidden || secret
		steps = append(steps, step)
	}
	if len(steps) == 0 {
		return nil, errors.New("holds no request to a service: only what a page loads for its looks")
	}
	out.Name = Named(strings.Split(host, ":")[0])
	for n, what := range map[string]int{"requests for styles, scripts and pictures": looks, "requests to other hosts": foreign, "requests beyond the first " + fmt.Sprint(MaxSteps): more} {
		if what > 0 {
			out.Notes = append(out.Notes, fmt.Sprintf("Left out: %d %s.", what, n))
		}
	}
	slices.Sort(out.Notes)
	if hidden {
		out.Notes = append(out.Notes, `Credentials were left out: put Authorization: "Bearer ${env.TOKEN}" below headers: of each step.`)
	}
	out.add(Stream{Name: "session", About: "the recorded requests, one after the other", Gates: usualGates,
		Body: yaml.MapSlice{item("rest", yaml.MapSlice{item("steps", steps)}), item("rate", "2/s"), item("timeout", "5s")}})
	return out, nil
}

func decorates(mime string) bool {
	return slices.ContainsFunc(decoration, func(d string) bool { return strings.Contains(mime, d) })
}

// step writes one request. secret says that a header was left out.
func (e *entry) step(number int, at *url.URL) (step yaml.MapSlice, secret bool) {
	last := at.Path[strings.LastIndexByte(strings.TrimSuffix(at.Path, "/"), '/')+1:]
	step = yaml.MapSlice{
		item("name", fmt.Sprintf("%s-%d", Named(e.Request.Method+" "+last), number)),
		item("request", e.Request.Method+" "+literal(at.String())),
	}
	headers := yaml.MapSlice{}
	for _, h := range e.Request.Headers {
		name := strings.ToLower(h.Name)
		secret = secret || slices.Contains(secrets, name)
		switch {
		case name == idempotencyKey:
			headers = append(headers, item(h.Name, fmt.Sprintf("{{id}}-%d", number))) // one recorded key would make all operations one
		case slices.Contains(kept, name):
			headers = append(headers, item(h.Name, literal(h.Value)))
		}
	}
	if len(headers) > 0 {
		step = append(step, item("headers", headers))
	}
	if p := e.Request.PostData; p != nil && p.Text != "" {
		step = append(step, item("body", literal(p.Text)))
	}
	if s := e.Response.Status; s >= 100 && s < 600 && s/100 != 2 {
		step = append(step, item("ok", []any{s}))
	}
	return step, secret
}
