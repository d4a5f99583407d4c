package main

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/pflag"
)

// httpFlags are the flags of `wringer load` that only http:// and https:// have. They have curl's names if curl has them.
type httpFlags struct {
	method     string
	user       string
	cert, key  string
	ca         string
	insecure   bool
	http2      bool
	unix       string
	noReuse    bool
	redirects  int
	form       []string
	targets    string
	ok         []string
	maxBody    string
	serverName string
	parameters []string
}

func (f *httpFlags) add(flags *pflag.FlagSet) {
	flags.StringVarP(&f.method, "request", "X", "", "HTTP `METHOD`; GET, or POST with data")
	flags.StringVarP(&f.user, "user", "u", "", "HTTP: `USER:PASSWORD`; the record keeps what is written here, so write '${env.NAME}' for a secret")
	flags.StringVar(&f.cert, "cert", "", "HTTP: the client's certificate, a PEM `FILE`")
	flags.StringVar(&f.key, "key", "", "HTTP: the client's key, a PEM `FILE`")
	flags.StringVar(&f.ca, "cacert", "", "HTTP: the authorities to trust, a PEM `FILE`")
	flags.BoolVarP(&f.insecure, "insecure", "k", false, "HTTP: do not verify the target's certificate")
	flags.BoolVar(&f.http2, "http2", false, "HTTP: speak HTTP/2; h2c to http://")
	flags.StringVar(&f.unix, "unix-socket", "", "HTTP: connect to the socket at `PATH`")
	flags.BoolVar(&f.noReuse, "disable-keepalive", false, "HTTP: a connection for each request")
	flags.IntVar(&f.redirects, "redirects", 0, "HTTP: follow so many redirects")
	flags.StringArrayVarP(&f.form, "form", "F", nil, "HTTP: a field of a form, `'name=value'`, or a file to upload, 'name=@FILE'; may be repeated")
	flags.StringArrayVar(&f.parameters, "query", nil, "HTTP: a parameter of the URL, `'name=value'`, escaped; may be repeated")
	flags.StringVar(&f.targets, "targets", "", "HTTP: send the requests of a vegeta targets `FILE` instead of a URL")
	flags.StringSliceVar(&f.ok, "ok", nil, "HTTP: the statuses and classes that are a success, `2xx,409`; default 2xx")
	flags.StringVar(&f.maxBody, "max-body", "", "HTTP: bound on the part of an answer that a check reads, as in 1MiB; other bodies are counted, however long")
}

func (f *httpFlags) examples() []string {
	return []string{
		"http://127.0.0.1:8080/healthz --rate 500/s --for 30s",
		"http://127.0.0.1:8080/orders -X POST -d @body.json -H 'Content-Type: application/json' --users 64",
	}
}

func (f *httpFlags) check(*url.URL, func(flag string) bool) error {
	if strings.ContainsFunc(f.method, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("()<>@,;:\\\"/[]?={}", r) }) {
		return fmt.Errorf("-X %q is no HTTP method", f.method)
	}
	return nil
}

func (f *httpFlags) part(to loadTarget) (yaml.MapSlice, error) {
	f.serverName = to.serverName
	method := f.method
	if method == "" {
		method = "GET"
		if to.data != "" || len(f.form) > 0 {
			method = "POST"
		}
	}
	var part yaml.MapSlice
	if to.text != "" {
		part = append(part, yaml.MapItem{Key: "request", Value: method + " " + to.text})
	}
	if len(to.headers) > 0 {
		part = append(part, yaml.MapItem{Key: "headers", Value: to.headers})
	}
	switch {
	case to.file != "":
		part = append(part, yaml.MapItem{Key: "body_file", Value: to.file})
	case to.data != "":
		part = append(part, yaml.MapItem{Key: "body", Value: to.data})
	}
	if len(to.feed) > 0 {
		part = append(part, yaml.MapItem{Key: "data", Value: to.feed})
	}
	return f.apply(part)
}

// apply adds the flags' values to the rest part of a scenario.
func (f *httpFlags) apply(part yaml.MapSlice) (yaml.MapSlice, error) {
	put := func(key string, value any, given bool) {
		if given {
			part = append(part, yaml.MapItem{Key: key, Value: value})
		}
	}
	if f.user != "" {
		user, password, _ := strings.Cut(f.user, ":")
		put("auth", yaml.MapSlice{{Key: "basic", Value: yaml.MapSlice{{Key: "user", Value: user}, {Key: "password", Value: password}}}}, true)
	}
	query, err := pairs("--query", f.parameters)
	if err != nil {
		return nil, err
	}
	put("query", query, len(query) > 0)
	form, err := f.multipart()
	if err != nil {
		return nil, err
	}
	put("multipart", form, len(form) > 0)
	secure := f.tls()
	put("tls", secure, len(secure) > 0)
	put("http2", true, f.http2)
	put("keepalive", false, f.noReuse)
	put("connection", yaml.MapSlice{{Key: "unix", Value: f.unix}}, f.unix != "")
	put("redirects", f.redirects, f.redirects != 0)
	put("targets", yaml.MapSlice{{Key: "file", Value: absolute(f.targets)}}, f.targets != "")
	put("ok", f.ok, len(f.ok) > 0)
	put("max_body", f.maxBody, f.maxBody != "")
	return part, nil
}

func (f *httpFlags) tls() yaml.MapSlice {
	var out yaml.MapSlice
	for _, item := range []struct{ key, value string }{{"ca", f.ca}, {"cert", f.cert}, {"key", f.key}} {
		if item.value != "" {
			out = append(out, yaml.MapItem{Key: item.key, Value: absolute(item.value)})
		}
	}
	if f.serverName != "" {
		out = append(out, yaml.MapItem{Key: "server_name", Value: f.serverName})
	}
	if f.insecure {
		out = append(out, yaml.MapItem{Key: "insecure", Value: true})
	}
	return out
}

// multipart reads -F: a form with files, as curl sends it.
func (f *httpFlags) multipart() ([]yaml.MapSlice, error) {
	fields, err := pairs("-F", f.form)
	if err != nil {
		return nil, err
	}
	var out []yaml.MapSlice
	for _, field := range fields {
		key, value := "value", fmt.Sprint(field.Value)
		if path, isFile := strings.CutPrefix(value, "@"); isFile {
			key, value = "file", absolute(path)
		}
		out = append(out, yaml.MapSlice{{Key: "name", Value: field.Key}, {Key: key, Value: value}})
	}
	return out, nil
}

// pairs reads name=value, in the order given.
func pairs(flag string, all []string) (yaml.MapSlice, error) {
	var out yaml.MapSlice
	for _, s := range all {
		name, value, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("%s %q: write 'name=value'", flag, s)
		}
		out = append(out, yaml.MapItem{Key: name, Value: value})
	}
	return out, nil
}
