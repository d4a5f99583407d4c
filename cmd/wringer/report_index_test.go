package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wringer/reports"
	"wringer/reports/recordtest"
)

func folderOfRuns(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for i, rec := range []*reports.Record{recordtest.Pass(), recordtest.Fail()} {
		dir := filepath.Join(folder, fmt.Sprintf("run-%d", i))
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := reports.Save(dir, rec.Run); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// Of a folder of records wringer report writes the index; a format of one record is refused.
func TestReportIndex(t *testing.T) {
	folder := folderOfRuns(t)
	try := func(args ...string) (int, string, string) {
		var out, stderr bytes.Buffer
		code := run(t.Context(), append([]string{"report", folder}, args...), streams{strings.NewReader(""), &out, &stderr})
		return code, out.String(), stderr.String()
	}
	code, out, stderr := try()
	page, err := os.ReadFile(filepath.Join(folder, "index.html"))
	if code != reports.ExitPass || err != nil || !strings.Contains(out, "2 records") || !bytes.Contains(page, []byte("2 runs of 1 scenario")) {
		t.Errorf("exit %d, %v, %s%s", code, err, out, stderr)
	}
	if code, out, _ := try("--html", "-"); code != reports.ExitPass || out != string(page) {
		t.Errorf("exit %d, %d bytes", code, len(out))
	}
	if code, _, stderr := try("--junit", "-"); code != reports.ExitUsage || !strings.Contains(stderr, "of one record") {
		t.Errorf("exit %d, %s", code, stderr)
	}
	for _, address := range []string{"0.0.0.0:0", "8080", "example.com:80"} {
		if code, _, stderr := try("--serve", address); code != reports.ExitUsage || !strings.Contains(stderr, "127.0.0.1:8080") {
			t.Errorf("%s: exit %d, %s", address, code, stderr)
		}
	}
}

// The served index follows its folder, shows the reports of its records and nothing else, and ends with the command.
func TestServeIndex(t *testing.T) {
	folder := folderOfRuns(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reader, writer := io.Pipe()
	ended := make(chan int)
	go func() {
		ended <- run(ctx, []string{"report", folder, "--serve", "127.0.0.1:0"}, streams{strings.NewReader(""), writer, io.Discard})
	}()
	line, err := bufio.NewReader(reader).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func(method, path, host string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, strings.TrimSpace(line)+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		answer, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(body)
	}
	if code, body := ask("GET", "", ""); code != 200 || !strings.Contains(body, "2 runs of 1 scenario") {
		t.Errorf("%d: %.300s", code, body)
	}
	dir := filepath.Join(folder, "run-2")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := reports.Save(dir, recordtest.Pass().Run); err != nil {
		t.Fatal(err)
	}
	if _, body := ask("GET", "", "localhost"); !strings.Contains(body, "3 runs of 1 scenario") {
		t.Error("the index does not follow its folder")
	}
	if code, body := ask("GET", "run-1/report.html", ""); code != 200 || !strings.Contains(body, "orders.lost == 0") {
		t.Errorf("a report: %d", code)
	}
	for _, path := range []string{"run-1/run.json", "../x/report.html", "run-9/report.html", "%2e%2e/report.html"} {
		if code, _ := ask("GET", path, ""); code != http.StatusNotFound {
			t.Errorf("%s: %d", path, code)
		}
	}
	if code, _ := ask("POST", "", ""); code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", code)
	}
	if code, _ := ask("GET", "", "evil.example"); code != http.StatusForbidden {
		t.Errorf("another host: %d", code)
	}
	cancel()
	if code := <-ended; code != reports.ExitPass {
		t.Errorf("exit %d", code)
	}
}
