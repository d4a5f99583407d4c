package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// foreigner is a flag of other tools.
type foreigner struct {
	// takes says whether the flag has a value, by the word that follows; nil: it always has.
	takes func(b *bridge, next string) bool
	// unless says of the word that follows that the flag is the command's own.
	unless func(next string) bool
	// single: only with one dash, as Go's own flags have it, is it the other tool's.
	single bool
	// means returns the words that mean the same here. With a reason they are what to write in its place: nothing, where there is
	// nothing to write.
	means func(b *bridge, value string) (words []string, why string)
}

func never(*bridge, string) bool { return false }

// is is a flag that has another name here.
func is(flag string) foreigner {
	return foreigner{means: func(_ *bridge, v string) ([]string, string) { return []string{flag, v}, "" }}
}

// isBare is a flag without a value that is others here; none: it says what is so anyway.
func isBare(words ...string) foreigner {
	return foreigner{takes: never, means: func(*bridge, string) ([]string, string) { return words, "" }}
}

// isHeader is a flag for a header.
func isHeader(name string) foreigner {
	return foreigner{means: func(_ *bridge, v string) ([]string, string) { return header(name, v), "" }}
}

func header(name, value string) []string { return []string{"-H", name + ": " + value} }

// not is a flag with a value that has no place here.
func not(why string) foreigner {
	return foreigner{means: func(*bridge, string) ([]string, string) { return nil, why }}
}

// notBare is not for a flag without a value.
func notBare(why string, instead ...string) foreigner {
	return foreigner{takes: never, means: func(*bridge, string) ([]string, string) { return instead, why }}
}

var (
	aNumber   = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)
	aDuration = regexp.MustCompile(`^([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+$`)
	aMethod   = regexp.MustCompile(`^[A-Z]+$`)
	aMedia    = regexp.MustCompile(`^(\*|application|text|image|audio|video|multipart)/`)
	aName     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)
)

func number(text string) float64 {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 1
	}
	return n
}

func trimNumber(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// isTime is a length or a bound with a unit; a bare number is answered with the unit that the tool means.
func isTime(flag string) foreigner {
	return foreigner{means: func(_ *bridge, v string) ([]string, string) {
		switch {
		case v == "0" || v == "0s":
			return nil, "a load always has an end: write " + flag + " with a time"
		case aNumber.MatchString(v):
			return []string{flag, v + "s"}, "has no unit"
		}
		return []string{flag, v}, ""
	}}
}

// isSeconds is a bound in seconds without a unit, as hey and curl have it.
func isSeconds(flag string) foreigner {
	return foreigner{means: func(_ *bridge, v string) ([]string, string) {
		if aNumber.MatchString(v) {
			v = time.Duration(number(v) * float64(time.Second)).String()
		}
		return []string{flag, v}, ""
	}}
}

// isRate is a rate of all arrivals; 0 is what other tools have for no limit.
func isRate(_ *bridge, v string) ([]string, string) {
	if v == "0" || v == "-1" {
		v = "max"
	}
	return []string{"--rate", v}, ""
}

func numeric(v string) bool { return aNumber.MatchString(v) }

// ambiguous flags: the value tells which tool's they are.

func shortC(_ *bridge, v string) ([]string, string) {
	if numeric(v) {
		return []string{"--users", v}, ""
	}
	return nil, "wringer keeps no file of cookies; a cookie goes with -H 'Cookie: NAME=VALUE'"
}

func shortM(_ *bridge, v string) ([]string, string) {
	switch {
	case numeric(v):
		return isSeconds("--timeout").means(nil, v)
	case aMethod.MatchString(v):
		return []string{"-X", v}, ""
	}
	var metadata map[string]any
	if json.Unmarshal([]byte(v), &metadata) != nil {
		return nil, "is a method for hey, metadata in JSON for ghz and seconds for curl: write -X METHOD, -H 'NAME: VALUE' or --timeout 5s"
	}
	var words []string
	for _, name := range sorted(metadata) {
		words = append(words, header(name, fmt.Sprint(metadata[name]))...)
	}
	return words, ""
}

func shortT(b *bridge, v string) ([]string, string) {
	_, qps := b.seen["qps"]
	switch {
	case numeric(v):
		return isSeconds("--timeout").means(b, v)
	case b.call:
		return []string{"--timeout", v}, ""
	case qps:
		return []string{"--for", v}, ""
	}
	return []string{"--timeout", v}, "is the length for fortio (--for " + v + ") and a bound of each request for others (--timeout " + v + ")"
}

func shortA(_ *bridge, v string) ([]string, string) {
	if aMedia.MatchString(v) {
		return header("Accept", v), ""
	}
	return header("User-Agent", v), ""
}

func longT(_ *bridge, v string) ([]string, string) {
	if aMedia.MatchString(v) {
		return header("Content-Type", v), ""
	}
	return []string{"-X", "PUT", "-d", "@" + v}, "uploads a file in curl"
}

func longD(b *bridge, v string) ([]string, string) {
	if b.call {
		return []string{"-d", "@" + v}, ""
	}
	if v == "-" {
		return nil, "shows headers in curl; a load shows none"
	}
	return []string{"-d", "@" + v}, "is the body's file for hey, and a file for headers for curl"
}

func shortI(b *bridge, v string) ([]string, string) {
	switch {
	case v == "":
		return nil, "" // curl shows headers
	case numeric(v):
		return []string{"--requests", v}, ""
	}
	var words []string
	for _, folder := range strings.Split(v, ",") {
		words = append(words, "--import-path", folder)
	}
	return words, ""
}

func shortO(_ *bridge, v string) ([]string, string) {
	if v == "/dev/null" || v == "-" {
		return nil, ""
	}
	return []string{"--json", strings.TrimPrefix(v, "json=")}, "answers are counted and not kept, and the result goes to stdout. --json FILE writes the record"
}

func shortR(_ *bridge, v string) ([]string, string) {
	switch {
	case numeric(v) && number(v) >= 1 || v == "0":
		return isRate(nil, v)
	case numeric(v):
		return nil, "is the resolution of fortio's histogram; wringer keeps three digits"
	}
	return header("Range", "bytes="+v), "is a rate for ghz, and a range of bytes for curl"
}

func shortX(b *bridge, v string) ([]string, string) {
	if aDuration.MatchString(v) {
		return []string{"--for", v}, ""
	}
	return nil, "wringer uses no proxy: it connects to the target itself"
}

func shortU(_ *bridge, v string) ([]string, string) {
	return []string{"--users", v}, "is a user and a password here; k6's virtual users are --users"
}

func shortD(_ *bridge, v string) ([]string, string) {
	return []string{"--for", v}, "is the body here; k6's duration is --for"
}

func shortB(_ *bridge, v string) ([]string, string) {
	if aName.MatchString(v) {
		return header("Cookie", v), ""
	}
	return nil, "wringer reads no file of cookies; write -H 'Cookie: NAME=VALUE'"
}

func shortE(_ *bridge, v string) ([]string, string) {
	if aName.MatchString(v) {
		return nil, "variables of k6's script have no place here: data may hold ${env.NAME}"
	}
	return header("Referer", v), ""
}

func shortS(_ *bridge, v string) ([]string, string) {
	if numeric(v) || strings.Contains(v, ":") {
		return nil, "streams of one connection are not set: HTTP/2 shares connections by itself"
	}
	return []string{"--quiet"}, ""
}

func basicAuth(_ *bridge, v string) ([]string, string) {
	if strings.Contains(v, ":") {
		return []string{"-u", v}, ""
	}
	return nil, "writes fortio's file; --json FILE writes the record"
}

func body(_ *bridge, v string) ([]string, string) {
	if at, err := os.Stat(v); err == nil && at.Mode().IsRegular() {
		return []string{"-d", "@" + v}, "is a file's name for vegeta and the text itself for others"
	}
	return []string{"-d", v}, ""
}

func rawData(_ *bridge, v string) ([]string, string) {
	if strings.HasPrefix(v, "@") {
		return []string{"-d", v}, "is text in curl, and -d @FILE reads a file here: write the text into a file if it shall begin with @"
	}
	return []string{"-d", v}, ""
}

func urlencoded(_ *bridge, v string) ([]string, string) {
	return []string{"-H", "Content-Type: application/x-www-form-urlencoded", "-d", v}, "-d sends what it is given: escape the value yourself, or use form: in a scenario"
}

func stages(_ *bridge, v string) ([]string, string) {
	var most, sum = "1", time.Duration(0)
	for _, part := range strings.Split(v, ",") {
		length, users, _ := strings.Cut(part, ":")
		if d, err := time.ParseDuration(length); err == nil {
			sum += d
		}
		if numeric(users) && number(users) > number(most) {
			most = users
		}
	}
	return []string{"--users", most, "--for", max(sum, time.Second).String()}, "users do not ramp here; a rate does: --ramp 10/s..400/s:30s"
}

func redirects(_ *bridge, v string) ([]string, string) {
	if v == "-1" || v == "0" {
		return nil, ""
	}
	return []string{"--redirects", v}, ""
}

func keepalive(_ *bridge, v string) ([]string, string) {
	if v == "false" {
		return []string{"--disable-keepalive"}, ""
	}
	return nil, ""
}

func http2Switch(_ *bridge, v string) ([]string, string) {
	if v == "false" {
		return nil, ""
	}
	return []string{"--http2"}, ""
}

// loadSchedule answers ghz's schedules, whose parts are several flags.
func loadSchedule(_ *bridge, v string) ([]string, string) {
	if v == "const" {
		return nil, ""
	}
	return []string{"--ramp", "10/s..100/s:10s"}, "the shape is one flag here: --ramp FROM..TO:LENGTH or --steps RATE:LENGTH,RATE:LENGTH"
}

// withCall is a flag of ghz's TLS, which curl has for HTTP by the same name.
func withCall(http, grpc string) foreigner {
	return foreigner{means: func(b *bridge, v string) ([]string, string) {
		if b.call {
			return []string{grpc, v}, ""
		}
		return []string{http, v}, ""
	}}
}

func sorted(m map[string]any) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
