package main

import (
	"regexp"
	"slices"
	"strings"
)

// Flags of wrk and ab that mean something else in other tools. They count on a line that is known to be theirs.

// ofWrk are the flags of wrk and wrk2. -d is a length there, and -t the number of threads.
var ofWrk = map[string]foreigner{
	"t": anything(), "threads": anything(),
	"c": is("--users"), "connections": is("--users"),
	"d": isSeconds("--for"), "duration": isSeconds("--for"),
	"R": by(isRate), "rate": by(isRate), "T": isSeconds("--timeout"), "timeout": isSeconds("--timeout"),
	"L": isBare(), "latency": isBare(), "U": isBare(), "u_latency": isBare(), "B": isBare(), "batch_latency": isBare(),
	"s": not(noLua), "script": not(noLua),
}

// ofAB are the flags of ApacheBench. -k keeps connections there, and -t is a length.
var ofAB = map[string]foreigner{
	"k": isBare(), "t": isSeconds("--for"), "s": isSeconds("--timeout"), "c": is("--users"), "n": is("--requests"),
	"p": by(dataFile), "u": {means: func(_ *bridge, v string) ([]string, string) { return []string{"-X", "PUT", "-d", "@" + v}, "" }},
	"T": isHeader("Content-Type"), "m": is("-X"), "A": is("-u"), "C": isHeader("Cookie"), "i": isBare("-X", "HEAD"),
	"q": isBare(), "r": isBare(), "l": isBare(), "d": isBare(), "S": isBare(), "v": anything(), "b": anything(), "f": anything(),
	"w": isBare(), "g": not(noFile), "e": not(noFile), "X": not(noProxy), "P": not(noProxy), "B": not("source addresses are connection: {source: [...]} of a scenario"),
}

const (
	noLua  = "wringer runs no Lua. Steps, data and checks go into a scenario (wringer init --curl '...')"
	noFile = "--json FILE writes the record"
)

// anything is a flag whose value shapes the other tool alone.
func anything() foreigner {
	return foreigner{means: func(*bridge, string) ([]string, string) { return nil, "" }}
}

// leading removes the words before the flags that name a tool and what it shall do, and tells the tool.
func (b *bridge) leading(args []string) []string {
	tool := ""
	for len(args) > 0 && slices.Contains(verbs, args[0]) {
		if tool == "" {
			tool = args[0]
		}
		args = args[1:]
	}
	b.curl = tool == "curl"
	switch {
	case tool == "wrk" || tool == "wrk2" || tool == "" && likeWrk(args):
		b.tool = ofWrk
	case tool == "ab":
		b.tool = ofAB
		if !slices.ContainsFunc(args, func(s string) bool { return s == "-k" }) {
			b.out = append(b.out, "--disable-keepalive")
		}
	}
	return args
}

var wrksOwn = []*regexp.Regexp{regexp.MustCompile(`^-t ?[0-9]+$`), regexp.MustCompile(`^-c ?[0-9]+$`), regexp.MustCompile(`^-d ?[0-9]+[smh]$`)}

// likeWrk says that threads, connections and a length stand together, as in wrk -t2 -c100 -d30s.
func likeWrk(args []string) bool {
	for _, form := range wrksOwn {
		with := func(i int) string { return strings.Join(args[i:min(i+2, len(args))], " ") }
		there := false
		for i, word := range args {
			there = there || form.MatchString(word) || form.MatchString(with(i))
		}
		if !there {
			return false
		}
	}
	return true
}
