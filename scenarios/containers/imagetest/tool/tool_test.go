package main

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// asked asks the tool and decodes its answer into into, if that is not nil.
func asked(t *testing.T, base, path string, into any) int {
	t.Helper()
	answer, err := http.Get(base + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if into != nil {
		if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	return answer.StatusCode
}

func tool(t *testing.T) (base string, codes chan int) {
	codes = make(chan int, 1)
	s := httptest.NewServer(routes(time.Time{}, func(code int) { codes <- code }))
	t.Cleanup(s.Close)
	return s.URL, codes
}

func TestReaches(t *testing.T) {
	base, _ := tool(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go echoAll(l)
	var a reached
	asked(t, base, "/dial?say=hello&to="+l.Addr().String(), &a)
	if want := (reached{Peer: l.Addr().String(), Answer: "hello"}); a != want { // the echo answered behind the end of our half
		t.Errorf("dial: %+v, want %+v", a, want)
	}
	l.Close()
	a = reached{}
	if asked(t, base, "/dial?to="+l.Addr().String(), &a); !strings.Contains(a.Error, "refused") {
		t.Errorf("dial of nobody: %+v", a)
	}
	a = reached{}
	asked(t, base, "/get?url="+url.QueryEscape(base+"/echo?q=1"), &a)
	var e echoed
	if err := json.Unmarshal([]byte(a.Answer), &e); err != nil || a.Status != http.StatusOK || a.Peer == "" || e.Path != "/echo?q=1" {
		t.Errorf("get: %+v: %v", a, err)
	}
}

func TestActs(t *testing.T) {
	base, codes := tool(t)
	dir := t.TempDir()
	var f filled
	if asked(t, base, "/fill?mb=2&dir="+dir, &f); f.Error != "" || f.Bytes != 2*mib {
		t.Errorf("fill: %+v", f)
	}
	if info, err := os.Stat(f.File); err != nil || info.Size() != 2*mib {
		t.Errorf("the file: %v, %v", info, err)
	}
	f = filled{}
	if asked(t, base, "/fill?dir="+dir+"/missing", &f); f.Error == "" {
		t.Errorf("fill of no folder: %+v", f)
	}
	for _, path := range []string{"/healthz", "/memory?mb=3", "/memory?mb=0", "/cpu?for=1ms&cores=2", "/print?line=x&times=2", "/env", "/hosts", "/unsettled"} {
		if code := asked(t, base, path, nil); code != http.StatusOK {
			t.Errorf("%s: %d", path, code)
		}
	}
	if code := asked(t, base, "/memory?mb=much", nil); code != http.StatusBadRequest {
		t.Errorf("a wrong number: %d", code)
	}
	asked(t, base, "/exit?code=3", nil)
	if code := <-codes; code != 3 {
		t.Errorf("exit %d", code)
	}
}

func TestReadyAfter(t *testing.T) {
	s := httptest.NewServer(routes(time.Now().Add(time.Hour), nil))
	defer s.Close()
	if code := asked(t, s.URL, "/healthz", nil); code != http.StatusServiceUnavailable {
		t.Errorf("health before it is ready: %d", code)
	}
}

func TestOnce(t *testing.T) {
	base, _ := tool(t)
	address := strings.TrimPrefix(base, "http://")
	for line, want := range map[string]int{
		"get " + base + "/healthz": 0, "get " + base + "/nothing": 1, "get http://127.0.0.1:1/": 1,
		"dial " + address: 0, "dial 127.0.0.1:1": 1, "exit 5 last words": 5, "exit x": 2, "hold 1": 0, "hold much": 2, "sing": 2,
	} {
		var out, errs bytes.Buffer
		if code := once(strings.Fields(line), &out, &errs); code != want {
			t.Errorf("%s: %d, want %d; %s%s", line, code, want, &out, &errs)
		}
	}
}
