package rest

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"wringer/drivers"
)

// follow follows redirects (RFC 9110, 15.4) as part of one attempt, whose service time spans every hop. The last answer decides
// the outcome, with one exception: after a 301, 302 or 303 whose next hop became a GET, the first request may have taken effect
// ("see other"). An outcome that would be rejected is then indeterminate. follow does not follow an answer that is ok or exceeds
// the bound. Nor does it where the location cannot be requested or lies outside of the run's bounds. Such an answer stands.
func (rq *requester) follow(ctx context.Context, d *driver, op *drivers.Op, at *drivers.Attempt, a *answer) *answer {
	sent, out, became := at.Sent, at.Out, false
	for range rq.client.redirects {
		if !isRedirect(at, a) {
			break
		}
		next, get, err := rq.hop(d, op, a)
		if err != nil {
			at.Detail += ": not followed: " + err.Error()
			break
		}
		redirect, answered := *at, a
		hidden, transparent := at.Hidden, at.Transparent
		at.Reset(at.Number, at.Begun)
		a = rq.send(drivers.NamedByTarget(ctx), next, op, at)
		if at.Code == codeOutside {
			*at, a = redirect, answered
			at.Detail += ": not followed: " + next.request.line.hostname() + " needs --allow"
			break
		}
		became = became || get
		rq.client.followed.Add(1)
		at.Sent, at.Wire, at.Cut = sent, true, !at.Wire
		at.Hidden, at.Transparent = at.Hidden+hidden, at.Transparent+transparent
		out += at.Out
		at.Out = out
		d = next
	}
	if became && at.Outcome == drivers.Rejected {
		at.Fail(drivers.Indeterminate, at.Code, at.Detail)
	}
	return a
}

// isRedirect reports whether an answer redirects to another URL.
func isRedirect(at *drivers.Attempt, a *answer) bool {
	if !at.Answered || at.Outcome != drivers.Rejected || len(a.values) == 0 || !a.values[0].found {
		return false
	}
	switch at.Status {
	case 301, 302, 303, 307, 308:
		return true
	}
	return false
}

// hop makes the driver of the request that an answer redirects to. get reports that another method became a GET.
func (rq *requester) hop(d *driver, op *drivers.Op, a *answer) (next *driver, get bool, err error) {
	from := d.request
	base, err := url.Parse(from.line.scheme + "://" + from.line.host + string(from.path.append(nil, op)))
	if err != nil {
		return nil, false, err
	}
	to, err := base.Parse(string(a.values[0].text))
	if err != nil {
		return nil, false, fmt.Errorf("location is no URL")
	}
	method := from.line.method
	if a.status != 307 && a.status != 308 && method != "GET" && method != "HEAD" {
		method, get = "GET", true
	}
	// The location is not a template, so its braces are escaped.
	path, err := escapePath(strings.NewReplacer(" ", "%20", "{", "%7B", "}", "%7D").Replace(to.RequestURI()))
	if err != nil {
		return nil, false, err
	}
	r := &request{line: requestLine{method: method, scheme: to.Scheme, host: to.Host, path: path}, close: from.close, agent: from.agent, env: from.env}
	if err := r.line.checkURL(); err != nil {
		return nil, false, err
	}
	r.path = texts{{literal: path}}
	same := strings.EqualFold(to.Host, from.line.host) && to.Scheme == from.line.scheme
	if same {
		r.host = from.host
	}
	from.takeAlong(r, op, same, get)
	next, err = rq.client.driver(r, d.evaluator)
	return next, get, err
}

// takeAlong copies headers and body to the next hop. It leaves out credentials if the host changes, and content
// headers if the body is dropped.
func (r *request) takeAlong(to *request, op *drivers.Op, same, bare bool) {
	for _, h := range r.headers {
		name := strings.ToLower(h.name)
		if !same && (name == "authorization" || name == "cookie" || name == "proxy-authorization") || bare && strings.HasPrefix(name, "content-") {
			continue
		}
		to.headers = append(to.headers, header{h.name, text{template: drivers.Literal(string(h.value.append(nil, op)))}})
	}
	if !bare {
		to.body = texts{{literal: string(r.body.append(nil, op))}}
	}
}
