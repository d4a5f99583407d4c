package main

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"wringer/reports"
)

// --live prints where the page is. The page follows the run to its final report, and the command waits for nobody.
func TestLivePage(t *testing.T) {
	var out strings.Builder
	reader, stderr := io.Pipe()
	ended := make(chan int)
	go func() {
		ended <- run(t.Context(), []string{"load", "-q", "--for", "300ms", "--live", "127.0.0.1:0", "http://127.0.0.1:1/"}, streams{strings.NewReader(""), &out, stderr})
		stderr.Close()
	}()
	said := bufio.NewReader(reader)
	line, err := said.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url, found := strings.CutPrefix(strings.TrimSpace(line), "live: ")
	if !found {
		t.Fatalf("the first line is %q", line)
	}
	go io.Copy(io.Discard, said)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(url + "events")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	events, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(events); !strings.Contains(text, `"title":"running: `) || !strings.Contains(text, `"title":"inconclusive: load`) || !strings.HasSuffix(text, "event: end\ndata:\n\n") {
		t.Errorf("the events are %.200s ... %s", text, text[max(0, len(text)-200):])
	}
	if code := <-ended; code != reports.ExitInconclusive {
		t.Errorf("exit %d", code)
	}
}

func TestLiveNeedsAnAddress(t *testing.T) {
	for _, address := range []string{"8080", "127.0.0.1:99999"} {
		if code, _, stderr := wringer(t, "load", "-q", "--live", address, "http://127.0.0.1:1/"); code != reports.ExitUsage || !strings.Contains(stderr, "--live "+address) {
			t.Errorf("%s: exit %d, %s", address, code, stderr)
		}
	}
}
