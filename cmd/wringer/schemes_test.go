package main

import (
	"net/url"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/spf13/pflag"
)

// postFlags are the flags of a protocol that the table does not have.
type postFlags struct{ stamp string }

func (p *postFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&p.stamp, "stamp", "", "Post: postage")
}
func (p *postFlags) examples() []string { return []string{"post://office/box --stamp 1"} }
func (p *postFlags) check(*url.URL, func(string) bool) error {
	return nil
}
func (p *postFlags) part(to loadTarget) (yaml.MapSlice, error) {
	return yaml.MapSlice{{Key: "office", Value: to.url.Host}, {Key: "stamp", Value: p.stamp}}, nil
}

// TestSchemeIsOneLine: with one more line in the table, `load` takes its URLs and flags, explains them, and refuses the flags
// elsewhere.
func TestSchemeIsOneLine(t *testing.T) {
	was := schemes
	defer func() { schemes = was }()
	schemes = append(schemes[:len(schemes):len(schemes)], scheme{key: "post", names: []string{"post"}, flags: func() schemeFlags { return new(postFlags) }})
	for _, test := range []struct{ args, want string }{
		{"--help", "wringer load post://office/box --stamp 1"},
		{"post://office/box --stamp 2 --print-scenario", "post:\n      office: office\n      stamp: \"2\"\n"},
		{"ftp://x", "grpcs://, kafka://, amqp://, amqps:// or post://"},
		{"office", `"office" has no scheme: write http://office, https://, grpc://, grpcs://, kafka://, amqp://, amqps:// or post://`},
		{"", "name one URL: http://, https://, grpc://, grpcs://, kafka://, amqp://, amqps:// or post://, or --targets"},
		{"http://x --stamp 1", "--stamp goes with post://, and not with http://"},
		{"post://x -X GET", "--request goes with http:// or https://, and not with post://"},
		{"--targets f --stamp 1", "--stamp goes with post://, and not with --targets"},
	} {
		_, stdout, stderr := wringer(t, append([]string{"load"}, strings.Fields(test.args)...)...)
		if !strings.Contains(stdout+stderr, test.want) {
			t.Errorf("%s: %q is missing in\n%s%s", test.args, test.want, stdout, stderr)
		}
	}
}

// TestEveryFlagOfAScheme: a flag of one protocol is refused beside the URL of every other.
func TestEveryFlagOfAScheme(t *testing.T) {
	for _, of := range protocols(schemes) {
		of.set.VisitAll(func(f *pflag.Flag) {
			value := map[string]string{"int": "1", "bool": "true", "duration": "1s"}[f.Value.Type()]
			if value == "" {
				value = "x"
			}
			for _, other := range schemes {
				if other.key == of.key || f.Name == of.instead {
					continue // beside a URL this argument is one too many
				}
				code, _, stderr := wringer(t, "load", other.names[0]+"://127.0.0.1:1/a", "--"+f.Name+"="+value, "--print-scenario")
				if code == 0 || !strings.Contains(stderr, "--"+f.Name+" goes with "+urls(of)) {
					t.Errorf("--%s beside %s://: exit %d, %s", f.Name, other.names[0], code, stderr)
				}
			}
		})
	}
}
