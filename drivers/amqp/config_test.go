package amqp

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"wringer/drivers/churn"
	"wringer/drivers/tlsconfig"
)

func problems(check func(func(field, message string))) (fields []string) {
	check(func(field, _ string) { fields = append(fields, field) })
	slices.Sort(fields)
	return fields
}

func TestConfigProblems(t *testing.T) {
	yes, no := true, false
	for name, test := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"right":                    {func(*Config) {}, ""},
		"no place":                 {func(c *Config) { c.Queue = "" }, "queue"},
		"two places":               {func(c *Config) { c.Exchange = "e" }, "exchange"},
		"a key for a queue":        {func(c *Config) { c.RoutingKey = "k" }, "routing_key"},
		"no url":                   {func(c *Config) { c.URL = "127.0.0.1:5672" }, "url"},
		"a url to come":            {func(c *Config) { c.URL = "${rabbit.url}" }, ""},
		"two logins":               {func(c *Config) { c.SASL = &SASL{User: "x"} }, "sasl"},
		"external without a proof": {func(c *Config) { c.SASL = &SASL{Mechanism: "EXTERNAL"} }, "sasl.mechanism"},
		"another mechanism":        {func(c *Config) { c.SASL = &SASL{Mechanism: "GSSAPI"} }, "sasl.mechanism"},
		"half a certificate":       {func(c *Config) { c.TLS = &tlsconfig.Config{Cert: "a"} }, "tls"},
		"sizes":                    {func(c *Config) { c.Size, c.Sizes = 1, map[string]uint32{"x": 1} }, "sizes sizes"},
		"numbers":                  {func(c *Config) { c.Connections, c.Channels, c.Outstanding = -1, 1000, -1 }, "channels connections outstanding"},
		"times":                    {func(c *Config) { c.Expiration, c.Heartbeat = time.Microsecond, time.Millisecond }, "expiration heartbeat"},
		"no confirms to await":     {func(c *Config) { c.Confirm, c.Outstanding = &no, 5 }, "outstanding"},
		"own header":               {func(c *Config) { c.Headers = map[string]string{HeaderID: "x", "a": "{{nope}}"} }, "headers.a headers." + HeaderID},
		"no property":              {func(c *Config) { c.Properties = map[string]string{"color": "x"} }, "properties.color"},
		"two message ids":          {func(c *Config) { c.ID, c.Properties = "message_id", map[string]string{"message_id": "x"} }, "properties.message_id"},
		"an id that is nowhere":    {func(c *Config) { c.ID, c.Body = "$.id", "{}" }, "id"},
		"another header":           {func(c *Config) { c.ID = "header x" }, "id"},
		"verify an exchange":       {func(c *Config) { c.Queue, c.Exchange, c.Verify = "", "e", &yes }, "verify"},
		"a stream to come": {func(c *Config) {
			c.Stream = true
			c.Declare = &Topology{Queues: map[string]Queue{"q": {Type: "stream"}}}
		}, "stream"},
		"depth of no queue":  {func(c *Config) { c.Queue, c.Exchange, c.Management = "", "e", "http://h:15672" }, "management"},
		"no management api":  {func(c *Config) { c.Management = "h:15672" }, "management"},
		"a management api":   {func(c *Config) { c.Management = "http://a:b@h:15672/base/" }, ""},
		"an api yet to come": {func(c *Config) { c.Management = "${env.API}" }, ""},
		"nothing declared":   {func(c *Config) { c.Declare = &Topology{} }, "declare"},
		"declared wrongly": {func(c *Config) {
			c.Declare = &Topology{Exchanges: map[string]Exchange{"amq.x": {}}, Queues: map[string]Queue{
				"a": {Type: "x"}, "b": {Type: "quorum", Durable: &no}, "c": {Arguments: map[string]any{"x-queue-type": "quorum"}}, "d": {Bind: []Binding{{}}}}}
		}, "declare.exchanges.amq.x declare.queues.a.type declare.queues.b declare.queues.c.arguments declare.queues.d.bind[0].exchange"},
	} {
		config := Config{URL: "amqp://a:b@127.0.0.1/", Queue: "q"}
		test.change(&config)
		if got := strings.Join(problems(config.Check), " "); got != test.want {
			t.Errorf("%s: problems of %q, want %q", name, got, test.want)
		}
	}
}

func TestSourceProblems(t *testing.T) {
	url := "amqp://127.0.0.1/"
	for _, test := range []struct {
		check func(func(field, message string))
		want  string
	}{
		{(&Effect{URL: url, Exchange: "e"}).Check, ""},
		{(&Effect{URL: url}).Check, "exchange"},
		{(&Effect{URL: url, Trace: []string{"a", "b"}}).Check, ""},
		{(&Effect{URL: url, Trace: []string{"a"}, Management: "http://h:15672"}).Check, ""},
		{(&Effect{URL: url, Trace: []string{"a"}, Management: "h"}).Check, "management"},
		{(&Effect{URL: url, Exchange: "e", Management: "http://h:15672"}).Check, ""},
		{(&Effect{URL: url, Queue: "q", Management: "http://h:15672"}).Check, "management"},
		{(&Effect{URL: url, Trace: []string{"a", "a"}, Queue: "q"}).Check, "trace trace"},
		{(&Effect{URL: url, Trace: []string{}, Match: map[string]string{"cents": "1"}}).Check, "match trace"},
		{(&Effect{URL: url, Exchange: "e", Queue: "q", RoutingKey: "k", Stream: true}).Check, "queue"},
		{(&Effect{URL: url, Queue: "q", RoutingKey: "k"}).Check, "routing_key"},
		{(&Effect{URL: url, Exchange: "e", Stream: true, ID: "x", Key: "y", Origin: "z"}).Check, "id key origin stream"},
		{(&Consume{URL: url, Queue: "q", Sequence: "x", Group: &Group{Members: 1}}).Check, "group sequence"},
		{(&Consume{URL: url, Exchange: "e", Group: &Group{Prefetch: -1, Ack: "x", OnFailure: "y", Fail: 2, Poison: -1, Type: "stream",
			Arguments: map[string]any{"x-expires": 1}, Churn: &churn.Config{}}}).Check,
			"group.ack group.arguments group.churn group.churn.choose group.fail group.fail group.members group.on_failure group.poison group.prefetch group.type"},
		{(&Consume{URL: url, Exchange: "e", Group: &Group{Members: 2, OnFailure: "reject"}}).Check, "group.on_failure"},
	} {
		if got := strings.Join(problems(test.check), " "); got != test.want {
			t.Errorf("problems of %q, want %q", got, test.want)
		}
	}
}

func TestAddress(t *testing.T) {
	for text, want := range map[string]address{
		"amqp://h":                               {nodes: []string{"h:5672"}, vhost: "/"},
		"amqps://h/":                             {nodes: []string{"h:5671"}, vhost: "/", secure: true},
		"amqp://u:p%40%2F%3A@a:1,b,[::1]:3/%2Fv": {nodes: []string{"a:1", "b:5672", "[::1]:3"}, vhost: "/v", user: "u", password: "p@/:", named: true},
		"amqp://[::1]/x":                         {nodes: []string{"[::1]:5672"}, vhost: "x"},
	} {
		got, err := parseAddress(text)
		if err != nil || !slices.Equal(got.nodes, want.nodes) || got.vhost != want.vhost || got.user != want.user || got.password != want.password || got.secure != want.secure {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "h:1", "http://h", "amqp://", "amqp://u:secret-word@", "amqp://u:%zz-secret-word@h/", "amqp://u:secret-word@h/%zz", "amqp://u:secret-word@h/?a=b", "amqp://::1/"} {
		if _, err := parseAddress(text); err == nil || strings.Contains(err.Error(), "secret-word") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if got := publicURL("amqp://u:secret-word@a:1,b/v"); got != "amqp://a:1,b/v" {
		t.Error(got)
	}
}

func TestBranches(t *testing.T) {
	c := &Config{URL: "amqp://a:1,b/"}
	for text, want := range map[string]string{"node-1": "node-1", "node-2": "node-2", "b:5672": "node-2", "node-3": "", "node-01": "", "b": "", "x": ""} {
		a, err := parseAddress(c.URL)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := a.resolve(text)
		if got != want || (c.CheckBranch(text) == nil) != (want != "") {
			t.Errorf("%s is %q, want %q: %v", text, got, want, c.CheckBranch(text))
		}
	}
	if err := (&Config{URL: "${x}"}).CheckBranch("node-9"); err != nil {
		t.Error(err)
	}
}

// TestOutcomesOfTheDocs: docs/outcomes.md lists exactly the codes that end a channel or a connection.
func TestOutcomesOfTheDocs(t *testing.T) {
	raw, err := os.ReadFile("../../docs/outcomes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, found := strings.Cut(string(raw), "by the code of the close: ")
	list, _, ended := strings.Cut(list, ".\n")
	if !found || !ended {
		t.Fatal("docs/outcomes.md does not list the codes of closes")
	}
	listed := strings.Split(strings.Join(strings.Fields(list), " "), ", ")
	var known []string
	for _, name := range replyNames {
		if name != "no_route" && name != "no_consumers" {
			known = append(known, strings.ToUpper(name))
		}
	}
	slices.Sort(listed)
	slices.Sort(known)
	if !slices.Equal(listed, known) {
		t.Errorf("docs/outcomes.md lists\n%q\nand the driver has\n%q", listed, known)
	}
}
