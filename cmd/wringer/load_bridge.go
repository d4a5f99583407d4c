package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// bridge reads a command line of `wringer load` that was pasted from curl, hey, vegeta, ghz, fortio, k6, wrk or ab. Words that mean one thing
// become the flags that mean the same here. Every other one is answered: why it does not stand as it is, and the whole line to write.
type bridge struct {
	own   *pflag.FlagSet // the command's own flags
	out   []string       // what the words mean here
	wrong []string       // what does not stand as it is, with the reason
	seen  map[string]string
	call  bool                 // a line of ghz
	grpc  bool                 // a line of gRPC
	curl  bool                 // a whole line of curl, its name included
	tool  map[string]foreigner // flags of the tool that the line is known to be of
}

// bridged is a command line as the command reads it, or the answer to what it cannot read.
type bridged struct {
	args   []string
	answer error
}

// verbs are words that other tools want before their flags.
var verbs = []string{"attack", "load", "run", "curl", "hey", "vegeta", "ghz", "fortio", "k6", "wrk", "wrk2", "ab"}

// readForeign reads the arguments behind `wringer load`.
func readForeign(own *pflag.FlagSet, args []string) bridged {
	b := &bridge{own: own, seen: make(map[string]string), call: slices.ContainsFunc(args, func(s string) bool {
		return strings.HasPrefix(strings.TrimLeft(s, "-"), "call") && strings.HasPrefix(s, "-")
	})}
	b.grpc = b.call || slices.ContainsFunc(args, func(s string) bool { return strings.HasPrefix(s, "grpc") })
	args = b.leading(args)
	for len(args) > 0 {
		word := args[0]
		switch {
		case word == "--":
			b.out, args = append(b.out, args...), nil
			continue
		case !strings.HasPrefix(word, "-") || word == "-":
			args = args[1:]
			b.positional(word)
		default:
			args = b.flag(args)
		}
	}
	b.together()
	if len(b.wrong) == 0 {
		return bridged{args: b.out}
	}
	return bridged{args: b.out, answer: usage("load: %s\nwrite: wringer load%s", strings.Join(b.wrong, "\n  "), shellLine(b.out))}
}

// flag reads the first of args, with its value, and returns the others.
func (b *bridge) flag(args []string) []string {
	name, value, joined := b.split(args[0])
	rest := args[1:]
	next := func() string {
		if joined || len(rest) == 0 {
			return value
		}
		value, rest = rest[0], rest[1:]
		joined = true
		return value
	}
	peek := value
	if !joined && len(rest) > 0 {
		peek = rest[0]
	}
	if m, ok := b.foreign(name); ok && !(m.unless != nil && m.unless(peek)) && !(m.single && strings.HasPrefix(args[0], "--")) {
		if m.takes == nil || m.takes(b, peek) {
			next()
		} else if joined && !strings.HasPrefix(args[0], "--") && len(name) == 1 && value != "" {
			rest = append([]string{"-" + value}, rest...) // -sSL: the flags behind this one
			value = ""
		}
		b.seen[name] = value
		means, why := m.means(b, value)
		if why != "" {
			b.wrong = append(b.wrong, strings.TrimSpace(dashed(name)+" "+value)+": "+why)
		}
		b.out = append(b.out, means...)
		return rest
	}
	return b.ownFlag(args, name)
}

// foreign is another tool's flag: of the tool that the line is of, or of any.
func (b *bridge) foreign(name string) (foreigner, bool) {
	if m, ok := b.tool[name]; ok {
		return m, true
	}
	m, ok := foreigners[name]
	return m, ok
}

// ownFlag hands over a flag of the command's own as it stands, its value too.
func (b *bridge) ownFlag(args []string, name string) []string {
	word, rest := args[0], args[1:]
	b.seen[name] = ""
	flag := b.own.Lookup(name)
	if len(name) == 1 {
		flag = b.own.ShorthandLookup(name)
		if flag != nil && flag.NoOptDefVal != "" && len(word) > 2 && word[1] != '-' && word[2] != '=' {
			b.out = append(b.out, word[:2])
			return append([]string{"-" + word[2:]}, rest...) // -kL: the flags behind this one
		}
	} else if !strings.HasPrefix(word, "--") && flag != nil {
		word = "-" + word // Go's flags have one dash: -rate=500
	}
	b.out = append(b.out, word)
	attached := strings.Contains(word, "=") || len(name) == 1 && len(word) > 2
	if flag != nil && flag.NoOptDefVal == "" && !attached && len(rest) > 0 {
		b.seen[name] = rest[0]
		return b.take(rest)
	}
	return rest
}

// take hands one word over as it stands.
func (b *bridge) take(args []string) []string {
	b.out = append(b.out, args[0])
	return args[1:]
}

// split reads -x, -xVALUE, -name, -name=VALUE, --name and --name=VALUE.
func (b *bridge) split(word string) (name, value string, joined bool) {
	bare, double := strings.CutPrefix(word, "--")
	if !double {
		bare = word[1:]
	}
	name, value, joined = strings.Cut(bare, "=")
	if double || len(name) == 1 {
		return name, value, joined
	}
	if _, ok := b.foreign(name); ok || b.own.Lookup(name) != nil {
		return name, value, joined
	}
	return bare[:1], bare[1:], true
}

// positional reads a word that is no flag.
func (b *bridge) positional(word string) {
	if strings.HasSuffix(word, ".js") || strings.HasSuffix(word, ".ts") {
		b.wrong = append(b.wrong, word+": wringer runs no JavaScript. Name the URL that the script loads; steps and checks go into a scenario (wringer init --curl '...')")
		word = "http://127.0.0.1:8080/"
	}
	b.out = append(b.out, word)
}

// together judges what only the whole line tells: a rate beside users, and ghz's address apart from its method.
func (b *bridge) together() {
	if b.call {
		b.joinCall()
	}
	if b.curl {
		b.formOfCurl()
	}
	rate, users := b.index("--rate"), b.index("--users")
	if each, ok := b.seen["q"]; ok && each != "" {
		b.hey(each)
		return
	}
	if rate < 0 || users < 0 {
		return
	}
	n := b.out[users+1]
	for _, name := range []string{"r", "rate", "rps", "qps"} {
		if v := b.seen[name]; v == "0" || v == "-1" { // no limit: the users alone decide
			b.out = slices.Delete(b.out, rate, rate+2)
			return
		}
	}
	b.out[users] = "--max-in-flight"
	b.wrong = append(b.wrong, fmt.Sprintf("%s users beside a rate: here a rate does not wait for users. At most %s operations are in flight then, and an arrival beyond them counts as an error", n, n))
}

// formOfCurl adds the content type that curl gives data without one.
func (b *bridge) formOfCurl() {
	typed := slices.ContainsFunc(b.out, func(s string) bool { return strings.HasPrefix(strings.ToLower(s), "content-type:") })
	if b.index("-d") >= 0 && !typed {
		b.out = append(b.out, "-H", "Content-Type: application/x-www-form-urlencoded")
	}
}

// hey answers -q N, which limits each of hey's workers (50 where -c says nothing).
func (b *bridge) hey(each string) {
	workers := 50.0
	if at := b.index("--users"); at >= 0 {
		workers = number(b.out[at+1])
		b.out = slices.Delete(b.out, at, at+2)
	}
	b.out = append(b.out, "--rate", trimNumber(number(each)*workers)+"/s", "--max-in-flight", trimNumber(workers))
	b.wrong = append(b.wrong, fmt.Sprintf("-q %s: is hey's limit for each of its %s workers, and --quiet here; a rate here is that of all", each, trimNumber(workers)))
}

// index is the place of a flag among the words so far that has a word behind it; -1: there is none.
func (b *bridge) index(flag string) int {
	at := slices.Index(b.out, flag)
	if at+1 >= len(b.out) {
		return -1
	}
	return at
}

// joinCall makes one URL of ghz's address and method. ghz speaks TLS unless --insecure says otherwise.
func (b *bridge) joinCall() {
	at := b.index("--call")
	if at < 0 {
		return
	}
	method := b.out[at+1]
	b.out = slices.Delete(b.out, at, at+2)
	scheme := "grpcs://"
	if _, plain := b.seen["insecure"]; plain {
		scheme = "grpc://"
		b.out = slices.DeleteFunc(b.out, func(s string) bool { return s == "--insecure" })
	}
	skip := false
	for i, word := range b.out {
		switch {
		case skip:
			skip = false
		case strings.HasPrefix(word, "-"):
			flag := b.own.Lookup(strings.TrimLeft(word, "-"))
			if short := strings.TrimLeft(word, "-"); len(short) == 1 {
				flag = b.own.ShorthandLookup(short)
			}
			skip = flag != nil && flag.NoOptDefVal == "" && !strings.Contains(word, "=")
		case !strings.Contains(word, "://"):
			b.out[i] = scheme + word + "/" + method
			return
		}
	}
	b.wrong = append(b.wrong, "--call "+method+": the address is missing")
	b.out = append(b.out, scheme+"127.0.0.1:50051/"+method)
}

// dashed is a flag as one writes it.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// shellLine writes words for a shell, a blank before each.
func shellLine(words []string) string {
	var b strings.Builder
	for _, w := range words {
		b.WriteByte(' ')
		plain := w != "" && !strings.ContainsFunc(w, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@%+,=", r))
		})
		if plain {
			b.WriteString(w)
			continue
		}
		b.WriteString("'" + strings.ReplaceAll(w, "'", `'\''`) + "'")
	}
	return b.String()
}

// readLoad reads a command line that begins with load.
func readLoad(root *cobra.Command, args []string) bridged {
	cmd, _, err := root.Find(args)
	if err != nil {
		return bridged{args: args}
	}
	cmd.InitDefaultHelpFlag()
	read := readForeign(cmd.Flags(), args[1:])
	read.args = append([]string{"load"}, read.args...)
	return read
}
