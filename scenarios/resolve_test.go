package scenarios

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const withTarget = `name: t
target: {mall: {}}
run: {duration: 10s}
traffic:
  a:
    rest:
      request: POST ${mall.web}/orders
      headers: {A: "${mall.web}", B: "${odd}", C: "$${mall.web}", D: "${tail}${mall.web}", E: "$$${mall.web}"}
      body: cost $5 $${x} {${mall.log}}
      checks: [{json: {a: ["${mall.web}", {b: "${mall.log}"}], n: 1}}]
    rate: 1/s
    effects: {kafka: {brokers: "${mall.log}", topic: t, id: $.orderId}}
expect:
  - a.errors < 1%
`

func targetVars() map[string]string {
	return map[string]string{"mall.web": "http://h:1", "mall.call": "h:2", "mall.log": "h:3"}
}

func TestResolve(t *testing.T) {
	s := mustParse(t, withTarget)
	r, err := s.Resolve(targetVars())
	if err != nil {
		t.Fatal(err)
	}
	web := r.Traffic[0].Driver.(*webConfig)
	for what, pair := range map[string][2]string{
		"request": {web.Request, "POST http://h:1/orders"},
		"A":       {web.Headers["A"], "http://h:1"},
		"B":       {web.Headers["B"], "${mall.web}"}, // a value is not searched again
		"C":       {web.Headers["C"], "${mall.web}"},
		"D":       {web.Headers["D"], "ends in $http://h:1"},
		"E":       {web.Headers["E"], "$${mall.web}"},
		"body":    {web.Body, "cost $5 ${x} {h:3}"},
		"list":    {web.Checks[0].JSON["a"].([]any)[0].(string), "http://h:1"},
		"inner":   {web.Checks[0].JSON["a"].([]any)[1].(map[string]any)["b"].(string), "h:3"},
		"brokers": {r.Traffic[0].Places[0].Source.(*logEffect).Brokers, "h:3"},
		"id":      {r.Traffic[0].Places[0].Source.(*logEffect).ID, "$.orderId"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %q, want %q", what, pair[0], pair[1])
		}
	}
	if web.parsed == nil || web.parsed.Host != "h:1" {
		t.Error("the resolved driver was not checked")
	}
	before := s.Traffic[0].Driver.(*webConfig)
	if before.Request != "POST ${mall.web}/orders" || before.Checks[0].JSON["a"].([]any)[0] != "${mall.web}" {
		t.Errorf("resolving changed the original: %+v", before)
	}
	again, err := r.Resolve(nil)
	if err != nil || again.Traffic[0].Driver.(*webConfig).Headers["C"] != "${mall.web}" {
		t.Errorf("a resolved scenario is resolved again: %v", err)
	}
}

func TestResolveTellsProblems(t *testing.T) {
	s := mustParse(t, withTarget)
	vars := targetVars()
	delete(vars, "mall.log")
	_, err := s.Resolve(vars)
	var problems Problems
	if !errors.As(err, &problems) || !strings.Contains(err.Error(), "t.yaml:7:7: a: rest: ${mall.log} is not known; known: mall.call, mall.web") {
		t.Errorf("an unknown variable gives %v", err)
	}
	vars = targetVars()
	vars["mall.web"] = ""
	if _, err := s.Resolve(vars); err == nil || !strings.Contains(err.Error(), "t.yaml:7:16: a: rest: request: the URL has no host") {
		t.Errorf("a URL that lost its host gives %v", err)
	}
}

// For any texts and values, the result is the text with the values in it, filled in once.
func TestInterpolationIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.SampledFrom([]string{"$", "$$", "{", "}", "a", "${", ".", " "})
		v := variables{set: map[string]string{"v": rapid.StringMatching(`[$\{\}a.]{0,5}`).Draw(t, "value")}, late: []string{"m.w"}, used: map[string]bool{}}
		late := rapid.StringMatching(`[$\{\}a.]{0,5}`).Draw(t, "late value")
		var src, want strings.Builder
		for range rapid.IntRange(0, 8).Draw(t, "parts") {
			ended := strings.HasSuffix(src.String(), "$") // a $ before ${ makes an escape of it
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				p := part.Draw(t, "literal")
				if p == "${" || ended && strings.HasPrefix(p, "{") {
					src.WriteString("x$${")
					want.WriteString("x${")
				} else {
					src.WriteString(p)
					want.WriteString(p)
				}
			case 1:
				if !ended {
					src.WriteString("${v}")
					want.WriteString(v.set["v"])
				}
			case 2:
				if !ended {
					src.WriteString("${m.w}")
					want.WriteString(late)
				}
			}
		}
		pieces, errs := v.split(src.String())
		if len(errs) > 0 {
			t.Fatalf("%q: %v", src.String(), errs)
		}
		got, err := fill(encode(pieces), map[string]string{"m.w": late})
		if err != nil || got != want.String() {
			t.Fatalf("%q encoded as %q gives %q (%v), want %q", src.String(), encode(pieces), got, err, want.String())
		}
	})
}

func TestWithoutTargetNothingIsLeft(t *testing.T) {
	s := mustParse(t, head+"traffic:\n  a: {rest: {request: GET http://x/, body: \"$${a} ${odd} ${tail}{\"}, rate: 1/s}\n")
	if got := s.Traffic[0].Driver.(*webConfig).Body; got != "${a} ${mall.web} ends in ${" {
		t.Errorf("the body is %q", got)
	}
}

func TestRedact(t *testing.T) {
	s := mustParse(t, head+`about: ${env.TOKEN} ${env.PIN} ${env.HOST}
traffic:
  a: {rest: {request: GET http://x/}, rate: 1/s}
`)
	const secret = "tok/en secret"
	raw, _ := json.Marshal(secret)
	for _, text := range []string{secret, "x" + secret + "y" + secret, url.QueryEscape(secret), url.PathEscape(secret), string(raw)} {
		if got := s.Redact(text); strings.Contains(got, "en secret") || strings.Contains(got, "secret") || !strings.Contains(got, "${env.TOKEN}") {
			t.Errorf("%q becomes %q", text, got)
		}
	}
	if got := s.Redact("12 at example.test"); got != "12 at ${env.HOST}" {
		t.Errorf("got %q", got)
	}
	if got := new(Scenario).Redact("as it is"); got != "as it is" {
		t.Errorf("got %q", got)
	}
}
