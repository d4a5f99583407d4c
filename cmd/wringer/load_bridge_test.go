package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wringer/reports"
)

// pasted are arguments as they stand in the documents and in daily use of other tools. want is a part of the scenario that they mean,
// or of the answer; answered says that the line to write is told.
var pasted = map[string][]struct {
	args     string
	want     string
	answered bool
}{
	"curl": {
		{`curl -sS -o /dev/null http://127.0.0.1:8080/`, "request: GET http://127.0.0.1:8080/", false},
		{`-X POST http://127.0.0.1:8080/orders -H 'Content-Type: application/json' -d '{"item":"book"}'`, `body: "{\"item\":\"book\"}"`, false},
		{`--location --request POST 'http://127.0.0.1:8080/orders' --header 'Accept: */*' --data-raw '{"a":1}'`, "redirects: 20", false},
		{`-k -i -u ann:secret https://127.0.0.1:8443/me`, "user: ann", false},
		{`curl http://127.0.0.1:8080/ -d a=b`, "Content-Type: application/x-www-form-urlencoded", false},
		{`-I --compressed --max-time 5 http://127.0.0.1:8080/`, "timeout: 5s", false},
		{`-A 'Mozilla/5.0' -e http://a.example/ -b 'session=1' http://127.0.0.1:8080/`, "Cookie: session=1", false},
		{`-F 'file=@body.bin' -F name=x http://127.0.0.1:8080/upload`, "multipart:", false},
		{`--cacert ca.pem --cert c.pem --key k.pem --resolve a.example:443:127.0.0.1 https://a.example/`, "-H 'Host: NAME'", true},
		{`-x proxy:3128 --connect-timeout 2 -w '%{http_code}\n' http://127.0.0.1:8080/`, "no proxy", true},
	},
	"hey": {
		{`-z 30s -c 50 http://127.0.0.1:8080/`, "users: 50", false},
		{`-n 200 -c 50 http://127.0.0.1:8080/`, "operations: 200", false},
		{`-z 10s -q 10 -c 50 http://127.0.0.1:8080/`, "--rate 500/s --max-in-flight 50", true},
		{`hey -n 1000 -m POST -T application/json -d '{"a":1}' http://127.0.0.1:8080/orders`, "Content-Type: application/json", false},
		{`-t 20 -A application/json http://127.0.0.1:8080/`, "timeout: 20s", false},
		{`-a user:pass -host a.example http://127.0.0.1:8080/`, "Host: a.example", false},
		{`-D body.bin -m PUT http://127.0.0.1:8080/`, "write: wringer load", true},
		{`-disable-compression -disable-keepalive -disable-redirects http://127.0.0.1:8080/`, "keepalive: false", false},
		{`-h2 -cpus 2 https://127.0.0.1:8443/`, "GOMAXPROCS", true},
		{`-o csv -x proxy:3128 http://127.0.0.1:8080/`, "no proxy", true},
	},
	"vegeta": {
		{`vegeta attack -rate=500 -duration=30s -targets=targets.txt`, "rate: 500/s", false},
		{`-rate 50/1m -duration 10s -targets targets.txt`, "rate: 0.8333333333333334/s", false},
		{`attack -rate=0 -max-workers=10 -duration=5s -targets=targets.txt`, "rate: max", false},
		{`-duration=5s -timeout=1s -keepalive=false -targets=targets.txt`, "keepalive: false", false},
		{`-rate=100 -duration=5s -insecure -http2=false -header 'A: b' -targets=targets.txt`, "insecure: true", false},
		{`-rate=100/s -duration=5s -redirects=-1 -root-certs=ca.pem -targets=targets.txt`, "ca: /", false},
		{`attack -name=5qps -rate=5 -duration=5s -targets=targets.txt`, "the one stream is named load", true},
		{`-rate=100 -duration=0 -targets=targets.txt`, "a load always has an end", true},
		{`-rate=100 -duration=5s -workers=4 -connections=100 -max-body=0 http://127.0.0.1:8080/`, "connections", true},
		{`-rate=1000 -duration=5s -lazy -format=json -output=results.bin -targets=targets.json`, "format", true},
	},
	"ghz": {
		{`--insecure --proto ./greeter.proto --call helloworld.Greeter.SayHello -d '{"name":"Joe"}' 127.0.0.1:50051`, "method: helloworld.Greeter.SayHello", false},
		{`--insecure --call helloworld.Greeter/SayHello -n 2000 -c 50 127.0.0.1:50051`, "operations: 2000", false},
		{`--skipTLS --proto ./greeter.proto --call helloworld.Greeter.SayHello -z 10s 127.0.0.1:50051`, "insecure: true", false},
		{`--insecure -i ./protos,./more --proto a.proto --call a.B/C -r 500 -z 30s 127.0.0.1:50051`, "import_paths:", false},
		{`--insecure --call a.B/C -m '{"trace_id":"{{uuid}}"}' -x 10s 127.0.0.1:50051`, "trace_id:", false},
		{`--insecure --protoset ./bundle.protoset --call a.B/C -t 5s --connections 4 --lb-strategy round_robin 127.0.0.1:50051`, "balance: round_robin", false},
		{`--cacert ca.pem --cert c.pem --key k.pem --cname a.example --call a.B/C 127.0.0.1:50051`, "server_name: a.example", false},
		{`--insecure --call a.B/C -c 10 -r 100 -z 10s 127.0.0.1:50051`, "--max-in-flight 10", true},
		{`--insecure --call a.B/C --load-schedule=line --load-start=5 --load-step=5 --load-max-duration=10s 127.0.0.1:50051`, "--ramp", true},
		{`--insecure --call a.B/C -O html -o report.html --skipFirst 10 127.0.0.1:50051`, "--json", true},
	},
	"wrk": {
		{`wrk -t2 -c10 -d30s http://127.0.0.1:8080/`, "users: 10", false},
		{`-t2 -c10 -d30s http://127.0.0.1:8080/`, "duration: 30s", false},
		{`-t 2 -c 10 -d 30s http://127.0.0.1:8080/`, "users: 10", false},
		{`wrk -t12 -c400 -d30s --latency http://127.0.0.1:8080/`, "users: 400", false},
		{`wrk --threads 2 --connections 10 --duration 1m --timeout 2s http://127.0.0.1:8080/`, "timeout: 2s", false},
		{`wrk2 -t2 -c100 -d30s -R2000 http://127.0.0.1:8080/`, "--max-in-flight 100 --for 30s --rate 2000 http://", true},
		{`wrk -d 10 -c 5 -H 'A: b' http://127.0.0.1:8080/`, "duration: 10s", false},
		{`wrk -c5 -d5s -s post.lua http://127.0.0.1:8080/`, "runs no Lua", true},
		{`wrk2 -c5 -d5s -L http://127.0.0.1:8080/`, "users: 5", false},
		{`wrk2 --rate 100 -d5s -U http://127.0.0.1:8080/`, "rate: 100/s", false},
	},
	"ab": {
		{`ab -n 100 -c 10 http://127.0.0.1:8080/`, "keepalive: false", false},
		{`ab -n 100 -c 10 -k https://127.0.0.1:8080/`, "operations: 100", false},
		{`ab -t 30 -c 10 http://127.0.0.1:8080/`, "duration: 30s", false},
		{`ab -k -n 10 -p body.bin -T application/json http://127.0.0.1:8080/orders`, "request: POST", false},
		{`ab -n 10 -u body.bin http://127.0.0.1:8080/orders`, "request: PUT", false},
		{`ab -n 10 -A ann:secret http://127.0.0.1:8080/`, "user: ann", false},
		{`ab -n 10 -C session=1 http://127.0.0.1:8080/`, "Cookie: session=1", false},
		{`ab -n 10 -i -s 5 http://127.0.0.1:8080/`, "timeout: 5s", false},
		{`ab -n 10 -v 2 -r -l -q http://127.0.0.1:8080/`, "operations: 10", false},
		{`ab -n 10 -g plot.tsv http://127.0.0.1:8080/`, "--json FILE", true},
	},
	"k6": {
		{`k6 run --vus 10 --duration 30s script.js`, "write: wringer load --users 10 --for 30s http://", true},
		{`--vus 10 --duration 30s http://127.0.0.1:8080/`, "users: 10", false},
		{`-u 10 -d 30s http://127.0.0.1:8080/`, "--users 10 --for 30s", true},
		{`--vus 5 -i 100 http://127.0.0.1:8080/`, "operations: 100", false},
		{`--vus 5 --iterations 100 --rps 50 http://127.0.0.1:8080/`, "--max-in-flight 5", true},
		{`--stage 30s:20,1m:10,10s:0 http://127.0.0.1:8080/`, "--ramp", true},
		{`--vus 10 --duration 30s --out json=result.json http://127.0.0.1:8080/`, "--json result.json", true},
		{`--insecure-skip-tls-verify --user-agent k6 --no-connection-reuse --max-redirects 3 https://127.0.0.1:8443/`, "redirects: 3", false},
		{`-e HOST=a.example --tag env=ci --no-thresholds http://127.0.0.1:8080/`, "${env.NAME}", true},
		{`--vus 1 --duration 5s --expect 'http_req_duration: p(95)<500' --expect 'http_req_failed: rate<0.01' http://127.0.0.1:8080/`, "rate<0.01", false},
	},
}

// What was pasted from other tools is understood, or answered by a line that is understood.
func TestPastedArguments(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write(t, filepath.Join(dir, "targets.txt"), "GET http://127.0.0.1:8080/\n")
	write(t, filepath.Join(dir, "targets.json"), `{"method":"GET","url":"http://127.0.0.1:8080/"}`+"\n")
	write(t, filepath.Join(dir, "body.bin"), "x")
	for tool, all := range pasted {
		if len(all) != 10 {
			t.Errorf("%s: %d sets", tool, len(all))
		}
		for _, set := range all {
			t.Run(tool+" "+set.args, func(t *testing.T) {
				words, err := shellWords(set.args)
				if err != nil {
					t.Fatal(err)
				}
				code, stdout, stderr := wringer(t, append(append([]string{"load"}, words...), "--print-scenario")...)
				_, line, answered := strings.Cut(stderr, "write: wringer load ")
				if answered != set.answered || !strings.Contains(stdout+stderr, set.want) {
					t.Fatalf("exit %d, want %q:\n%s%s", code, set.want, stdout, stderr)
				}
				if answered {
					again, err := shellWords(strings.TrimSpace(line))
					if err != nil {
						t.Fatal(err)
					}
					code, stdout, stderr = wringer(t, append([]string{"load"}, again...)...)
				}
				if code != reports.ExitPass {
					t.Errorf("exit %d: the line is not understood: %s\n%s%s", code, line, stdout, stderr)
				}
			})
		}
	}
}

// An error names the flag, and no line of a file that nobody wrote.
func TestLoadErrorsNameTheFlag(t *testing.T) {
	for args, want := range map[string]string{
		"http://x --rate abc":                      "--rate abc: is no rate: write 500 or 500/s (a second), 6000/m or max",
		"http://x --rate 99999999999":              "--rate",
		"http://x --ramp 10/s:5s":                  "--ramp 10/s:5s: write FROM..TO:LENGTH",
		"http://x --ramp 0..0:5s":                  "both rates are 0",
		"http://x --steps 100/s,200/s:10s":         "100/s has no length",
		"http://x --ramp 1..5:5s --rate 5":         "--rate and --ramp exclude each other",
		"http://x --requests 0":                    "--requests 0: must be at least 1",
		"http://x --for 0s":                        "--for 0s: must be more than 0",
		"http://x --expect p98<1s":                 "--expect: gate \"p98<1s\": unknown metric",
		"http://x --expect p(95)<abc":              "--expect",
		"http://x -H Transfer-Encoding:chunked":    "-H: Transfer-Encoding: is set by the driver",
		"http://x --max-body 5x":                   "--max-body",
		"http://x --ok 2xx,999":                    "--ok",
		"http://x --server-name a":                 "--server-name goes with TLS: write https://",
		"http://x --feed absent.csv -d {{data.x}}": "absent.csv",
		"http://x -d {{nothing}}":                  "-d: ",
		"grpc://x:1/a.B/C --feed absent.csv":       "absent.csv",
		"amqp://x/ --queue q --feed absent.csv":    "--feed goes with",
		"grpc://x:1/nothing":                       "the URL",
		"http://x --users 200000":                  "--users: 200000 is more than the maximum",
	} {
		code, stdout, stderr := wringer(t, append([]string{"load", "--for", "1s"}, strings.Fields(args)...)...)
		if code != reports.ExitUsage || !strings.Contains(stderr, want) || strings.Contains(stderr, "load:1") || strings.Contains(stderr, "load:2") {
			t.Errorf("%s: exit %d, want %q:\n%s%s", args, code, want, stdout, stderr)
		}
	}
}

// Without --out no folder is left, neither here nor among the temporary ones.
func TestLoadLeavesNoFolder(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	temporary := filepath.Join(dir, "tmp")
	if err := os.Mkdir(temporary, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", temporary)
	server := answering(t, 200)
	for _, extra := range []string{"", "--json r.json"} {
		code, stdout, stderr := wringer(t, append([]string{"load", server, "-q", "-n", "5", "-c", "2"}, strings.Fields(extra)...)...)
		if code != reports.ExitPass && code != reports.ExitInconclusive {
			t.Fatalf("exit %d:\n%s%s", code, stdout, stderr)
		}
		for _, want := range []string{"acked by status 200: 5", "received", "acked 5"} {
			if !strings.Contains(strings.Join(strings.Fields(stdout), " "), want) {
				t.Errorf("%q is missing in\n%s", want, stdout)
			}
		}
		if strings.Contains(stdout, "report:") {
			t.Errorf("a report is named that is gone:\n%s", stdout)
		}
	}
	left, _ := os.ReadDir(temporary)
	here, _ := os.ReadDir(dir)
	if len(left) > 0 || len(here) != 2 { // tmp and r.json
		t.Errorf("left behind: %v, %v", left, here)
	}
}

// answering is the address of a server that gives one status.
func answering(t *testing.T, status int) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		w.Write([]byte("answer"))
	}))
	t.Cleanup(server.Close)
	return server.URL
}
