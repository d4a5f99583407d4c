package main

import "strings"

// by makes a flag with a value of a function.
func by(means func(*bridge, string) ([]string, string)) foreigner { return foreigner{means: means} }

// switchOf is a flag that takes a value only behind =, as Go's boolean flags do.
func switchOf(means func(*bridge, string) ([]string, string)) foreigner {
	return foreigner{takes: never, means: means}
}

const (
	noProcessors = "the processors are not set by a flag: GOMAXPROCS=N before the command bounds them"
	noTools      = "has no meaning here"
	noPool       = "connections are made as operations need them; --max-in-flight bounds those under way"
	noResolve    = "name the address in the URL, with -H 'Host: NAME' and --server-name NAME"
	noProxy      = "wringer uses no proxy: it connects to the target itself"
	oneShape     = "belongs to a shape that is one flag here: --ramp FROM..TO:LENGTH or --steps RATE:LENGTH,RATE:LENGTH"
)

// foreigners are the flags of other tools, by their names without dashes. A name that the command has itself stands here only where
// the value shows another tool's meaning.
var foreigners = map[string]foreigner{
	// What several have: the length, the number, the users and the rate.
	"z": isTime("--for"), "duration": isTime("--for"), "x": by(shortX), "max-duration": isTime("--for"),
	"total": is("--requests"), "iterations": is("--requests"),
	"c": by(shortC), "concurrency": is("--users"), "vus": is("--users"), "workers": not("users are not shared among workers: " + noPool),
	"max-workers": by(maxWorkers), "q": {unless: func(next string) bool { return !numeric(next) }, means: func(*bridge, string) ([]string, string) { return nil, "" }},
	"rps": by(isRate), "qps": by(isRate), "r": by(shortR), "rate": by(isRate),
	"t": by(shortT), "timeout": isTimeout(), "max-time": isSeconds("--timeout"), "connect-timeout": not("connecting is a part of an attempt, which --timeout bounds"),
	"m": by(shortM), "stage": by(stages), "stages": by(stages),
	// Bodies and headers.
	"body": by(body), "data-binary": is("-d"), "data-ascii": is("-d"), "data-raw": by(rawData), "data-urlencode": by(urlencoded), "payload": is("-d"),
	"payload-file": by(dataFile), "data-file": by(dataFile), "D": by(longD), "binary-file": not("the message is JSON here: -d @FILE"), "payload-size": not("write the payload itself: -d TEXT or -d @FILE"),
	"b":      by(shortB),
	"cookie": by(shortB), "A": by(shortA), "user-agent": isHeader("User-Agent"), "T": by(longT), "upload-file": by(longT), "content-type": isHeader("Content-Type"),
	"referer": isHeader("Referer"), "e": by(shortE), "env": by(shortE), "host": isHeader("Host"), "a": {takes: hasColon, means: basicAuth}, "oauth2-bearer": by(bearer),
	"metadata": by(shortM), "metadata-file": not("write each line of metadata: -H 'NAME: VALUE'"), "proxy-header": not(noProxy),
	"I": isBare("-X", "HEAD"), "head": isBare("-X", "HEAD"), "G": notBare("parameters are --query NAME=VALUE here, each by itself"), "get": notBare("parameters are --query NAME=VALUE here, each by itself"),
	"url": by(anURL), "d": {unless: func(next string) bool { return !aDuration.MatchString(next) }, means: shortD}, "u": {unless: func(next string) bool { return !numeric(next) }, means: shortU},
	// Connections.
	"L": isBare("--redirects", "20"), "location": isBare("--redirects", "20"), "max-redirs": by(redirects), "max-redirects": by(redirects), "redirects": by(redirects),
	"disable-redirects": isBare(), "h2": isBare("--http2"), "h2c": isBare("--http2"), "http2": switchOf(http2Switch), "http2-prior-knowledge": isBare("--http2"), "http1.1": isBare(),
	"http1.0": notBare("HTTP/1.0 is not spoken; HTTP/1.1 is"), "0": notBare("HTTP/1.0 is not spoken; HTTP/1.1 is"), "stdclient": isBare(),
	"compressed": isBare(header("Accept-Encoding", "gzip, deflate, br, zstd")...), "compression": isBare(header("Accept-Encoding", "gzip")...), "disable-compression": isBare(),
	"keepalive": {takes: hasUnit, means: keepalive}, "no-connection-reuse": isBare("--disable-keepalive"), "no-vu-connection-reuse": notBare("users have no connections of their own to give up"),
	"no-keepalive": notBare("is about probes of TCP, which are not set"),
	"connections":  {single: true, means: func(*bridge, string) ([]string, string) { return nil, noPool }}, "max-connections": not(noPool), "max-idle-connections": not(noPool), "laddr": not("source addresses are connection: {source: [...]} of a scenario"), "interface": not("source addresses are connection: {source: [...]} of a scenario"),
	"resolvers": not(noResolve), "resolve": not(noResolve), "connect-to": not(noResolve), "dns-ttl": not("a name is resolved for each connection that is made"),
	"proxy": not(noProxy), "root-certs": is("--cacert"), "insecure-skip-tls-verify": isBare("-k"), "https-insecure": isBare("-k"), "E": is("--cert"),
	"skipTLS": isBare("--grpc-skip-verify"), "cname": is("--server-name"), "cacert": withCall("--cacert", "--grpc-cacert"), "cert": withCall("--cert", "--grpc-cert"), "key": withCall("--key", "--grpc-key"),
	"tlsv1.2": isBare(), "tlsv1.3": notBare("the version of TLS is agreed on, and is 1.2 at least"), "ciphers": not("the ciphers of TLS are Go's"), "4": notBare("the address decides: name it in the URL"), "6": notBare("the address decides: name it in the URL"),
	"digest": notBare("digest authentication is not spoken"), "retry": not("retries are retry: {attempts: N} of a scenario; print one with --print-scenario"), "limit-rate": not("a slow network is a fault of a scenario: bandwidth"),
	// gRPC.
	"call": is("--call"), "import-paths": by(shortI), "i": {takes: importPaths, means: shortI}, "include": isBare(), "enable-compression": isBare("--gzip"),
	"stream-interval": is("--message-interval"), "stream-call-count": is("--messages"), "stream-call-duration": not("a call ends with its messages: --messages N"), "stream-dynamic-messages": isBare(),
	"reflect-metadata": not("reflection sends the stream's own metadata: -H"), "load-schedule": by(loadSchedule), "load-start": not(oneShape), "load-end": not(oneShape), "load-step": not(oneShape), "load-step-duration": not(oneShape), "load-max-duration": not(oneShape),
	"concurrency-schedule": by(loadSchedule), "concurrency-start": not(oneShape), "concurrency-end": not(oneShape), "concurrency-step": not(oneShape), "concurrency-step-duration": not(oneShape), "concurrency-max-duration": not(oneShape),
	"skipFirst": not("the first operations are left out by time: --warmup 1s"), "count-errors": isBare(), "async": isBare(), "B": not("the message is JSON here: -d @FILE"), "grpc": notBare("write the URL as grpc://HOST:PORT/pkg.Service/Method"), "ping": notBare("write the URL as grpc://HOST:PORT/pkg.Service/Method"),
	// What is shown and written.
	"s": {takes: func(_ *bridge, next string) bool { return numeric(next) }, means: shortS}, "silent": isBare("--quiet"), "S": isBare(), "show-error": isBare(), "N": isBare(), "no-buffer": isBare(), "f": isBare(), "fail": isBare(), "fail-with-body": isBare(), "g": isBare(), "globoff": isBare(), "#": isBare(), "progress-bar": isBare(), "no-progress-meter": isBare(),
	"o": by(shortO), "output": by(output), "O": {takes: func(b *bridge, _ string) bool { return b.call }, means: func(*bridge, string) ([]string, string) {
		return []string{"--json", "-"}, "the summary is text; --json - writes the record as JSON"
	}}, "format": not("the summary is text, and the format of a targets file follows from its name: .json or not"), "w": not("the summary tells times, statuses and bytes"), "write-out": not("the summary tells times, statuses and bytes"),
	"out": {unless: func(next string) bool { return !strings.HasPrefix(next, "json=") && !strings.HasPrefix(next, "csv=") }, means: shortO}, "summary-export": is("--json"), "summary-trend-stats": not("the summary prints min, mean, p50, p90, p95, p99, p99.9 and max"), "no-summary": notBare("stdout is the summary: send it to /dev/null"), "no-color": isBare(), "http-debug": isBare("--verbose"),
	"p": not("the summary prints min, mean, p50, p90, p95, p99, p99.9 and max"), "loglevel": not("--verbose logs what the harness does"), "debug": not("--verbose logs what the harness does"), "name": not("the one stream is named load"), "tag": not(noTools), "tags": not(noTools), "labels": not(noTools), "prometheus-addr": is("--prometheus"), "no-thresholds": notBare("a load is judged; --expect 'errors < 100%' fails it only where nothing worked", "--expect", "errors < 100%"), "no-usage-report": isBare(),
	"cpus": not(noProcessors), "more": isBare(), "uniform": isBare(), "nocatchup": isBare(), "jitter": notBare("arrivals at random are rate: {poisson: 400/s} of a scenario"), "allow-initial-errors": isBare(), "abort-on": not("conditions that end a run are abort: of a scenario"), "lazy": isBare(), "chunked": notBare("bodies are sent with their length"), "session-tickets": isBare(), "Z": isBare(), "parallel": isBare(),
	"thresholds": is("--expect"),
}

func hasColon(_ *bridge, next string) bool {
	return strings.Contains(next, ":") && !strings.Contains(next, "://")
}

// hasUnit: vegeta's keepalive is true or false behind =, ghz's is a time.
func hasUnit(_ *bridge, next string) bool { return aDuration.MatchString(next) }

// importPaths: ghz's -i names folders, k6's counts, and curl's stands alone.
func importPaths(b *bridge, next string) bool {
	return numeric(next) || b.grpc && next != "" && !strings.Contains(next, "://") && !strings.HasPrefix(next, "-")
}

func dataFile(_ *bridge, v string) ([]string, string) { return []string{"-d", "@" + v}, "" }

func bearer(_ *bridge, v string) ([]string, string) {
	return header("Authorization", "Bearer "+v), ""
}

// anURL is curl's --url: a word by itself.
func anURL(_ *bridge, v string) ([]string, string) { return []string{v}, "" }

// output is vegeta's file of results, and that of others.
func output(b *bridge, v string) ([]string, string) {
	if _, ok := b.seen["duration"]; ok && strings.HasSuffix(v, ".bin") {
		return []string{"--vegeta", v}, ""
	}
	return shortO(b, v)
}

// maxWorkers bounds vegeta's rate 0, and is a bound of what is in flight beside any other.
func maxWorkers(_ *bridge, v string) ([]string, string) {
	return []string{"--max-in-flight", v}, ""
}

// isTimeout is --timeout; a number without a unit is answered.
func isTimeout() foreigner {
	return foreigner{means: func(_ *bridge, v string) ([]string, string) {
		if numeric(v) {
			return []string{"--timeout", v + "s"}, "has no unit"
		}
		return []string{"--timeout", v}, ""
	}}
}
