package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wringer/reports"
)

// A scenario of others does nothing that no flag lists: it runs, reads and dials nothing, and each refusal names the flag.
func TestRestrict(t *testing.T) {
	dir := t.TempDir()
	outside := t.TempDir()
	secret, marker := filepath.Join(outside, "secret.csv"), filepath.Join(outside, "ran")
	write(t, secret, "name\nanna\n")
	write(t, filepath.Join(dir, "rows.csv"), "name\nanna\n")
	write(t, filepath.Join(dir, "bodies"), "POST http://127.0.0.1:1/\n@"+secret+"\n")
	if err := os.Symlink(secret, filepath.Join(dir, "link.csv")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TOKEN_OF_CI", "hunter2hunter2")
	for name, test := range map[string]struct {
		text    string // beside a stream
		stream  string // of the stream's rest part
		effects string // of the stream
		grant   []string
		want    string // in the refusal; empty: it runs
	}{
		"nothing":       {},
		"phases":        {text: "phases: {peak: {at: 10ms, for: 50ms}}"},
		"own data":      {stream: ", data: {file: rows.csv}"},
		"other data":    {stream: ", data: {file: " + secret + "}", want: "--grant " + secret, grant: []string{"--grant", secret}},
		"a log":         {effects: "file: {path: " + secret + ", id: $.id}", want: "--grant " + secret},
		"a database":    {effects: "sql: {file: " + secret + ", query: SELECT a FROM b, id: a}", want: "--grant " + secret},
		"an open hook":  {effects: "webhook: {listen: \"0.0.0.0:0\", id: $.id}", want: "stream a: effects.webhook would listen 0.0.0.0:0: add --allow 0.0.0.0", grant: []string{"--allow", "0.0.0.0"}},
		"a folder":      {stream: ", data: {file: " + secret + "}", want: "--grant " + secret, grant: []string{"--grant", outside}},
		"a link":        {stream: ", data: {file: link.csv}", want: "link.csv", grant: []string{"--grant", outside}},
		"body file":     {stream: ", body_file: ../../etc/passwd", want: "rest.body_file would read"},
		"certificate":   {stream: ", tls: {ca: /etc/ssl/cert.pem}", want: "tls.ca would read /etc/ssl/cert.pem"},
		"unix socket":   {stream: ", connection: {unix: /var/run/docker.sock}", want: "connection.unix would dial /var/run/docker.sock"},
		"environment":   {stream: ", headers: {A: \"${env.TOKEN_OF_CI}\"}", want: "--grant env.TOKEN_OF_CI", grant: []string{"--grant", "env.TOKEN_OF_CI"}},
		"exec":          {text: "faults: [{name: f, at: 0s, for: 100ms, exec: [touch, " + marker + "], undo: [\"true\"]}]", want: "fault f would run touch " + marker + ": add --grant exec", grant: []string{"--grant", "exec"}},
		"nemesis":       {text: "faults: [{name: f, exec: [touch, " + marker + "], undo: [\"true\"]}, {name: n, at: 0s, for: 100ms, nemesis: {choose: [f], every: 50ms, for: 10ms}}]", want: "--grant exec"},
		"processes":     {text: "target: {processes: {p: {command: [touch, " + marker + "]}}}", want: "process p would run touch " + marker + ": add --grant processes"},
		"a delays file": {text: "links: {l: {upstream: \"127.0.0.1:1\"}}\nfaults: [{name: f, at: 0s, for: 100ms, link: l, latency: {file: " + secret + "}}]", want: "--grant " + secret},
		"observing":     {text: "observe: {x: {prometheus: \"http://127.0.0.1:1/\", series: {a: b}}}"},
		"its trust":     {text: "observe: {x: {prometheus: \"https://127.0.0.1:1/\", series: {a: b}, tls: {ca: /etc/ssl/cert.pem}}}", want: "observe x.tls.ca would read /etc/ssl/cert.pem"},
		"an open link":  {text: "links: {l: {listen: \"0.0.0.0:0\", upstream: \"127.0.0.1:1\"}}", want: "link l would listen 0.0.0.0:0: add --allow 0.0.0.0", grant: []string{"--allow", "0.0.0.0"}},
	} {
		t.Run(name, func(t *testing.T) {
			os.Remove(marker)
			path := filepath.Join(dir, "s.yaml")
			scheme := "http"
			if strings.Contains(test.stream, "tls:") {
				scheme = "https"
			}
			if test.effects != "" {
				test.effects = ", effects: {" + test.effects + "}"
			}
			write(t, path, "name: s\nseed: 1\nrun: {duration: 150ms, drain: 10ms}\ntraffic: {a: {rest: {request: \"POST "+scheme+"://127.0.0.1:1/\""+test.stream+"}, rate: 20/s"+test.effects+"}}\n"+test.text+"\nexpect: [a.errors < 1%]\n")
			check := func(want string, args ...string) {
				t.Helper()
				for _, verb := range []string{"check", "run"} {
					args := append([]string{verb, path, "--restrict"}, args...)
					if verb == "run" {
						args = append(args, "-q", "--out", filepath.Join(t.TempDir(), "r"))
					}
					code, stdout, stderr := wringer(t, args...)
					if refused := strings.Contains(stderr, "--restrict: "); refused != (want != "") || !strings.Contains(stderr, want) || refused && code != reports.ExitUsage {
						t.Errorf("%s: exit %d, %q is not told:\n%s%s", verb, code, want, stdout, stderr)
					}
					if strings.Contains(stdout+stderr, "hunter2") {
						t.Error("the secret is told")
					}
				}
			}
			check(test.want)
			if _, err := os.Stat(marker); err == nil {
				t.Error("it ran")
			}
			if test.grant != nil {
				check("", test.grant...)
			}
		})
	}
	path := filepath.Join(dir, "targets.yaml")
	write(t, path, "name: s\nrun: {duration: 400ms}\ntraffic: {a: {rest: {targets: {file: bodies}}, rate: 20/s}}\nexpect: [a.errors < 1%]\n")
	if code, _, stderr := wringer(t, "check", path, "--restrict"); code != reports.ExitUsage || !strings.Contains(stderr, "would read "+secret) {
		t.Errorf("bodies of targets: exit %d, %s", code, stderr)
	}
}

// A Compose file is read while the scenario is parsed, and messages about it quote it, the files that it names and its environment.
func TestRestrictReadsNoComposeFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TOKEN_OF_CI", "hunter2hunter2")
	write(t, filepath.Join(dir, "secret"), "hunter2hunter2 = a\n")
	path := filepath.Join(dir, "s.yaml")
	write(t, path, "name: s\nrun: {duration: 150ms}\ntarget: {compose: {file: compose.yaml}}\ntraffic: {a: {rest: {request: \"GET http://127.0.0.1:1/\"}, rate: 20/s}}\nexpect: [a.errors < 1%]\n")
	for name, service := range map[string]string{
		"environment": `ports: ["${TOKEN_OF_CI}"]`,
		"env_file":    "env_file: secret",
		"extends":     "extends: {file: secret, service: a}",
	} {
		write(t, filepath.Join(dir, "compose.yaml"), "services: {a: {image: x, "+service+"}}\n")
		for _, verb := range []string{"check", "run"} {
			code, stdout, stderr := wringer(t, verb, path, "--restrict")
			if code != reports.ExitUsage || !strings.Contains(stderr, "--restrict: target would use compose: add --grant compose") {
				t.Errorf("%s, %s: exit %d, %s", name, verb, code, stderr)
			}
			if strings.Contains(stdout+stderr, "hunter2") || strings.Contains(stderr, "secret") {
				t.Errorf("%s, %s: it was read: %s", name, verb, stderr)
			}
		}
	}
	write(t, filepath.Join(dir, "compose.yaml"), "services: {a: {image: x, ports: [\"${TOKEN_OF_CI}\"]}}\n")
	if _, _, stderr := wringer(t, "check", path, "--restrict", "--grant", "compose"); strings.Contains(stderr, "hunter2") {
		t.Errorf("a granted Compose file sees the whole environment: %s", stderr)
	}
	if _, _, stderr := wringer(t, "check", path, "--restrict", "--grant", "compose", "--grant", "env.TOKEN_OF_CI"); !strings.Contains(stderr, "hunter2") {
		t.Errorf("the granted variable is not there: %s", stderr)
	}
}

// The scenario itself may be a link to any file, whose first line a message would tell.
func TestRestrictReadsNoLinkedScenario(t *testing.T) {
	dir := t.TempDir()
	secret, path := filepath.Join(dir, "secret"), filepath.Join(dir, "s.yaml")
	write(t, secret, "hunter2hunter2\n")
	if err := os.Symlink("secret", path); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"check", "run"} {
		code, stdout, stderr := wringer(t, verb, path, "--restrict")
		if code != reports.ExitUsage || !strings.Contains(stderr, "is a link to "+secret+": add --grant") || strings.Contains(stdout+stderr, "hunter2") {
			t.Errorf("%s: exit %d, %s%s", verb, code, stdout, stderr)
		}
		if _, _, stderr := wringer(t, verb, path, "--restrict", "--grant", secret); !strings.Contains(stderr, "hunter2") {
			t.Errorf("%s: the granted link is not read: %s", verb, stderr)
		}
	}
}

// A scenario includes files of its own folder alone.
func TestRestrictIncludes(t *testing.T) {
	outside := t.TempDir()
	dir := filepath.Join(outside, "pr")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	secret, path := filepath.Join(outside, "secret"), filepath.Join(dir, "s.yaml")
	write(t, secret, "hunter2hunter2\n")
	write(t, filepath.Join(dir, "own.yaml"), "expect: [a.errors < 1%]\n")
	if err := os.Symlink(secret, filepath.Join(dir, "linked.yaml")); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"../secret": "the scenario includes " + secret, "linked.yaml": "the scenario includes " + filepath.Join(dir, "linked.yaml"), "/dev/zero": "the scenario includes /dev/zero", "own.yaml": "",
	} {
		write(t, path, "name: s\ninclude: ["+file+"]\nrun: {duration: 150ms, drain: 10ms}\ntraffic: {a: {rest: {request: \"GET http://127.0.0.1:1/\"}, rate: 20/s}}\n")
		code, stdout, stderr := wringer(t, "check", path, "--restrict")
		if !strings.Contains(stderr, want) || (code == 0) != (want == "") || strings.Contains(stdout+stderr, "hunter2") {
			t.Errorf("%s: exit %d, %s%s", file, code, stdout, stderr)
		}
	}
}

// A .proto file imports others: those outside of the folder are refused, by a path or by a link. What comes with protobuf is not.
func TestRestrictReadsNoImports(t *testing.T) {
	outside := t.TempDir()
	dir := filepath.Join(outside, "pr")
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(outside, "secret.proto")
	write(t, secret, "hunter2hunter2")
	for _, name := range []string{"sub/hidden.proto", "pipe.proto"} {
		to := secret
		if name == "pipe.proto" {
			to = "/dev/zero"
		}
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	proto := func(name, imports string) {
		write(t, filepath.Join(dir, name), "syntax = \"proto3\";\npackage a;\nimport \""+imports+"\";\nmessage M {}\nservice A { rpc G(M) returns (M); }\n")
	}
	proto("above.proto", "../secret.proto")
	proto("linked.proto", "hidden.proto")
	proto("chained.proto", "linked.proto")
	proto("own.proto", "google/protobuf/any.proto")
	proto("endless.proto", "pipe.proto")
	for name, want := range map[string]string{
		"above.proto": "would read " + secret, "linked.proto": "would read " + filepath.Join(dir, "sub/hidden.proto"),
		"chained.proto": "would read " + filepath.Join(dir, "sub/hidden.proto"), "hidden.proto": "would read " + filepath.Join(dir, "sub/hidden.proto"),
		"own.proto": "", "endless.proto": "pipe.proto is no regular file",
	} {
		path := filepath.Join(dir, "s.yaml")
		write(t, path, "name: s\nrun: {duration: 150ms, drain: 10ms}\ntraffic: {a: {grpc: {method: a.A/G, target: \"127.0.0.1:1\", protos: ["+name+"], import_paths: [., sub]}, rate: 20/s}}\nexpect: [a.errors < 1%]\n")
		code, stdout, stderr := wringer(t, "check", path, "--restrict")
		if !strings.Contains(stderr, want) || (code == 0) != (want == "") || strings.Contains(stdout+stderr, "hunter2") {
			t.Errorf("%s: exit %d, %s%s", name, code, stdout, stderr)
		}
	}
}

// Private networks are out of reach, and names are not looked up.
func TestRestrictReachesLoopbackAlone(t *testing.T) {
	for _, host := range []string{"10.1.2.3", "192.168.1.1", "metadata.google.internal", "169.254.169.254"} {
		path := filepath.Join(t.TempDir(), "s.yaml")
		write(t, path, "name: s\nrun: {duration: 300ms}\ntraffic: {a: {rest: {request: \"GET http://"+host+":81/\"}, rate: 20/s, timeout: 100ms}}\nexpect: [a.errors < 1%]\n")
		code, _, stderr := wringer(t, "run", "-q", "--restrict", "--out", filepath.Join(t.TempDir(), "r"), path)
		if code != reports.ExitUsage || !strings.Contains(stderr, "--allow "+host) {
			t.Errorf("%s: exit %d, %s", host, code, stderr)
		}
	}
}

// check tells what a scenario would be able to do.
func TestCheckTellsAbilities(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.yaml")
	write(t, path, "name: s\nrun: {duration: 1s}\ntarget: {processes: {web: {command: [nginx, -c, x.conf]}}}\ntraffic: {a: {rest: {request: \"GET http://127.0.0.1:1/\", body_file: /etc/hosts}, rate: 5/s}}\nfaults: [{name: f, at: 0s, for: 100ms, exec: [touch, x], undo: [rm, x]}]\nexpect: [a.errors < 1%]\n")
	_, stdout, stderr := wringer(t, "check", path)
	for _, want := range []string{"able to", "nginx -c x.conf", "process web", "--grant processes", "touch x", "rm x", "--grant exec", "/etc/hosts", "--grant /etc/hosts"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s%s", want, stdout, stderr)
		}
	}
	if code, _, _ := wringer(t, "check", path, "--grant", "exec"); code != reports.ExitUsage {
		t.Errorf("--grant alone: exit %d", code)
	}
}

// check tells what a link between two containers needs of the engine, and says nothing of it where there is none.
func TestCheckTellsWhatLinksNeed(t *testing.T) {
	const text = `name: s
run: {duration: 1s}
target: {containers: {orders: {image: "a:1", ports: [80]}, stock: {image: "a:1", ports: [80]}}}
links: {orders->stock: LINK}
traffic: {a: {rest: {request: "GET http://${orders.80}/"}, rate: 5/s}}
expect: [a.errors < 1%]
`
	for link, needs := range map[string]bool{"{ports: [80]}": true, `{upstream: "${stock.80}"}`: false} {
		path := filepath.Join(t.TempDir(), "s.yaml")
		write(t, path, strings.Replace(text, "LINK", link, 1))
		code, stdout, stderr := wringer(t, "check", path)
		if code != 0 || strings.Contains(stdout, "need a relay") != needs {
			t.Errorf("%s: exit %d, %s%s", link, code, stdout, stderr)
		}
	}
}
