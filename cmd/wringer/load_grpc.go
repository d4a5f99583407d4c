package main

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/pflag"

	"wringer/drivers/payload"
)

// grpcFlags are the flags of `wringer load` that only grpc:// and grpcs:// have.
type grpcFlags struct {
	protos      []string
	importPaths []string
	descriptors string
	connections int
	balance     string
	gzip        bool
	authority   string
	messages    int
	every       time.Duration
	replies     int
	halfClose   string
	ca          string
	cert        string
	key         string
	insecure    bool
}

func (g *grpcFlags) add(flags *pflag.FlagSet) {
	flags.StringArrayVar(&g.protos, "proto", nil, "gRPC: a `FILE` that defines the method, instead of server reflection; may be repeated")
	flags.StringArrayVar(&g.importPaths, "import-path", nil, "gRPC: a `FOLDER` in which --proto and its imports are looked for; may be repeated")
	flags.StringVar(&g.descriptors, "protoset", "", "gRPC: a descriptor set `FILE`, instead of --proto")
	flags.IntVar(&g.connections, "connections", 0, "gRPC: connections that the calls are shared among")
	flags.StringVar(&g.balance, "lb-strategy", "", "gRPC: pick_first or round_robin")
	flags.BoolVar(&g.gzip, "gzip", false, "gRPC: compress messages")
	flags.StringVar(&g.authority, "authority", "", "gRPC: the :authority to ask for")
	flags.IntVar(&g.messages, "messages", 0, "gRPC: messages sent in a streaming call")
	flags.DurationVar(&g.every, "message-interval", 0, "gRPC: time between two messages sent in a call")
	flags.IntVar(&g.replies, "replies", 0, "gRPC: messages that a streaming call must bring")
	flags.StringVar(&g.halfClose, "half-close", "", "gRPC: `WHEN` the sending side of a streaming call is closed: sent (default), replies or never")
	flags.StringVar(&g.ca, "grpc-cacert", "", "grpcs: PEM `FILE` of the authorities to trust")
	flags.StringVar(&g.cert, "grpc-cert", "", "grpcs: PEM `FILE` of the client's certificate")
	flags.StringVar(&g.key, "grpc-key", "", "grpcs: PEM `FILE` of the client's key")
	flags.BoolVar(&g.insecure, "grpc-skip-verify", false, "grpcs: do not verify the target's certificate")
}

func (g *grpcFlags) examples() []string {
	return []string{`grpc://127.0.0.1:9090/shop.v1.Inventory/Reserve -d '{"orderId": "{{id}}", "itemId": "item1", "quantity": 1}'`}
}

func (g *grpcFlags) check(target *url.URL, changed func(flag string) bool) error {
	for _, name := range []string{"grpc-cacert", "grpc-cert", "grpc-key", "grpc-skip-verify"} {
		if changed(name) && target.Scheme == "grpc" {
			return fmt.Errorf("--%s goes with TLS: write grpcs://", name)
		}
	}
	if g.every <= 0 && changed("message-interval") {
		return fmt.Errorf("--message-interval %s: must be more than 0", g.every)
	}
	return positive(changed, []string{"connections", "messages", "replies"}, g.connections, g.messages, g.replies)
}

func (g *grpcFlags) part(to loadTarget) (yaml.MapSlice, error) {
	part := yaml.MapSlice{{Key: "target", Value: to.url.Host}, {Key: "method", Value: strings.TrimPrefix(to.url.Path, "/")}}
	put := func(is bool, key string, value any) {
		if is {
			part = append(part, yaml.MapItem{Key: key, Value: value})
		}
	}
	if to.file == "" && to.data != "" {
		switch message, err := payload.ParseJSON(to.data); {
		case err == nil:
			put(true, "message", message)
		case to.path == "":
			return nil, fmt.Errorf("-d is no JSON message: %w", err)
		default:
			to.file = to.path // it may hold Protobuf's wire format, in bytes that are text by chance
		}
	}
	put(to.file != "", "message_file", to.file)
	stream := g.stream()
	put(len(stream) > 0, "stream", stream)
	put(len(to.headers) > 0, "metadata", to.headers)
	put(g.connections > 0, "connections", g.connections)
	put(g.balance != "", "balance", g.balance)
	put(g.gzip, "compression", "gzip")
	put(g.authority != "", "authority", g.authority)
	put(len(to.feed) > 0, "data", to.feed)
	return append(part, g.files(to)...), nil
}

// stream writes the schedule of the messages of a streaming call.
func (g *grpcFlags) stream() yaml.MapSlice {
	part := yaml.MapSlice{}
	if g.messages > 0 {
		part = append(part, yaml.MapItem{Key: "messages", Value: g.messages})
	}
	if g.every > 0 {
		part = append(part, yaml.MapItem{Key: "every", Value: g.every.String()})
	}
	if g.replies > 0 {
		part = append(part, yaml.MapItem{Key: "replies", Value: g.replies})
	}
	if g.halfClose != "" {
		part = append(part, yaml.MapItem{Key: "half_close", Value: g.halfClose})
	}
	return part
}

// files writes the names of files. A scenario looks for files beside itself, and this scenario has no place. So the paths
// become absolute, except a --proto within an --import-path.
func (g *grpcFlags) files(to loadTarget) yaml.MapSlice {
	var part yaml.MapSlice
	protos, folders := g.protos, g.importPaths
	if len(protos) > 0 && len(folders) == 0 {
		protos = nil
		for _, p := range g.protos {
			protos = append(protos, filepath.Base(p))
			folders = append(folders, filepath.Dir(p))
		}
	}
	if len(protos) > 0 {
		part = append(part, yaml.MapItem{Key: "protos", Value: protos})
	}
	if len(folders) > 0 {
		var all []string
		for _, f := range folders {
			all = append(all, absolute(f))
		}
		part = append(part, yaml.MapItem{Key: "import_paths", Value: all})
	}
	if g.descriptors != "" {
		part = append(part, yaml.MapItem{Key: "descriptors", Value: absolute(g.descriptors)})
	}
	if to.url.Scheme != "grpcs" {
		return part
	}
	tls := yaml.MapSlice{}
	for _, f := range []struct{ key, path string }{{"ca", g.ca}, {"cert", g.cert}, {"key", g.key}} {
		if f.path != "" {
			tls = append(tls, yaml.MapItem{Key: f.key, Value: absolute(f.path)})
		}
	}
	if to.serverName != "" {
		tls = append(tls, yaml.MapItem{Key: "server_name", Value: to.serverName})
	}
	if g.insecure {
		tls = append(tls, yaml.MapItem{Key: "insecure", Value: true})
	}
	return append(part, yaml.MapItem{Key: "tls", Value: tls})
}

// absolute leaves a path unchanged that has no absolute form.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
