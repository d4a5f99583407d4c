package container

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatRunsInAContainer(t *testing.T) {
	text := filepath.Join(t.TempDir(), "wringer")
	if err := os.WriteFile(text, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv(OwnVariable, text)
	for want, err := range map[string]error{
		"it is no Linux binary": runsOn(text, "amd64"),
		"no such file":          runsOn(text+"-gone", "amd64"),
		"CGO_ENABLED=0 GOOS=linux GOARCH=arm64 go build -o wringer-linux-arm64": errorOf(ownBinary("linux", "arm64")),
		"containers of windows": errorOf(ownBinary("windows", "amd64")),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
	t.Setenv(OwnVariable, "")
	if err := errorOf(ownBinary("linux", "s390x")); err == nil || !strings.Contains(err.Error(), "wringer-linux-s390x") {
		t.Errorf("without a binary: %v", err)
	}
}

func errorOf(_ string, err error) error { return err }
