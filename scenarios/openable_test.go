package scenarios

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wringer/drivers"
)

func TestWhatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, mode := range map[string]os.FileMode{"plain.txt": 0o600, "secret.txt": 0, "huge.bin": 0o600} {
		if err := os.WriteFile(at(name), []byte("x"), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Truncate(at("huge.bin"), maxFile+1); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{os.Symlink("loop", at("loop")), os.Symlink("plain.txt", at("link")), os.Symlink("gone", at("broken")), os.Mkdir(at("folder"), 0o700)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	o := opener{folder: dir}
	for _, test := range []struct {
		path   string
		folder bool
		want   string // empty: it can be read
	}{
		{"plain.txt", false, ""},
		{"link", false, ""},
		{"folder", true, ""},
		{at("plain.txt"), false, ""},
		{"plane.txt", false, "there is no file " + at("plane.txt") + "; did you mean plain.txt?"},
		{"other/x", false, "there is no file " + at("other/x")},
		{"broken", false, at("broken") + " is a link to gone, which is not there"},
		{"loop", false, "stat " + at("loop") + ": too many levels of symbolic links"},
		{"plain.txt/x", false, "stat " + at("plain.txt/x") + ": not a directory"},
		{"folder", false, at("folder") + " is a folder; name a file"},
		{"plain.txt", true, at("plain.txt") + " is no folder"},
		{"huge.bin", false, at("huge.bin") + " has 67108865 bytes; the maximum is 67108864"},
		{"secret.txt", false, at("secret.txt") + ": permission denied: let this user read it"},
	} {
		if test.path == "secret.txt" && os.Geteuid() == 0 {
			continue // root reads everything
		}
		got := ""
		if err := o.lookAt(test.path, test.folder); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", test.path, got, test.want)
		}
	}
}

// A file below a folder that the target makes may be absent; one beside it may not.
func TestWhatTheTargetMakes(t *testing.T) {
	o := opener{folder: t.TempDir(), makes: []string{"gen/", "one.pem"}, maker: true}
	for path, later := range map[string]bool{
		"gen/ca.pem": true, "./gen/a/b": true, "gen": true, "one.pem": true, "gen2/x": false, "one.pem2": false, "../gen/x": false,
		"${mall.web}/x": true, filepath.Join(o.folder, "gen/x"): true,
	} {
		err := o.lookAt(path, false)
		if is := err != nil && strings.Contains(err.Error(), "makes") && !isLater(err); isLater(err) != later || is == later {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func isLater(err error) bool { e, ok := err.(laterError); return ok && e.Is(drivers.ErrLater) }
