package main

import (
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"wringer/scenarios"
)

// pathKey is a key of the language that names a path.
type pathKey struct{ name, tag, about string }

// pathKeys lists the texts of a configuration's type, by their keys.
func pathKeys(name string, t reflect.Type, tag, about string, found *[]pathKey) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		pathKeys(name, t.Elem(), tag, about, found)
	case reflect.Map:
		pathKeys(name+".NAME", t.Elem(), tag, about, found)
	case reflect.String:
		*found = append(*found, pathKey{name, tag, about})
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if !f.IsExported() || key == "-" {
				continue
			}
			inner := name
			if key != "" {
				inner += "." + key
			}
			pathKeys(inner, f.Type, f.Tag.Get("path"), f.Tag.Get("jsonschema_description"), found)
		}
	}
}

// keysOfLanguage lists the texts of every configuration of the language.
func keysOfLanguage() (all []pathKey) {
	add := func(part, name string, config any) { pathKeys(part+name, reflect.TypeOf(config), "", "", &all) }
	for name, open := range language.Drivers {
		add("", name, open())
	}
	for name, open := range language.Effects {
		add("effects.", name, open())
	}
	for name, open := range language.Consume {
		add("consume.", name, open())
	}
	for name, open := range language.Targets {
		add("target.", name, open())
	}
	for name, open := range language.Links {
		add("links.", name, open())
	}
	for name, open := range language.Faults {
		add("fault.", name, open())
	}
	add("observe", "", language.Observe())
	slices.SortFunc(all, func(a, b pathKey) int { return strings.Compare(a.name, b.name) })
	return all
}

// aboutFiles are the words with which descriptions tell of files.
var aboutFiles = regexp.MustCompile(`(?i)\b(files?|folders?|PEM|directory|socket|program)\b`)

// noPaths are texts whose descriptions tell of files, and that name none to read. In files: of a fault a part of the target stands.
var noPaths = []string{
	"rest.multipart.filename", "rest.steps.multipart.filename", "rest.multipart.type", "rest.steps.multipart.type",
	"rest.targets.format", "kafka.schema.type", "kafka.schema.subject", "target.processes.NAME.makes",
	"target.containers.NAME.dir", "target.containers.NAME.tmpfs.NAME", "fault.fill.fill.dir", // in the container
	"effects.sql.url", // the file has a key of its own
}

// A new key that names a file must say so by the tag path.
func TestKeysThatNameFilesAreTagged(t *testing.T) {
	known := []string{"", "file", "folder", "any", "within", "later", "socket", "import", "program", "workdir"}
	for _, k := range keysOfLanguage() {
		if !slices.Contains(known, k.tag) {
			t.Errorf("%s has the unknown tag path:%q", k.name, k.tag)
		}
		if k.tag == "" && aboutFiles.MatchString(k.about) && !slices.Contains(noPaths, k.name) && !strings.HasSuffix(k.name, ".files") {
			t.Errorf("%s names a file, it seems: give it the tag path, or list it here: %s", k.name, k.about)
		}
	}
}

// fileKeys has a scenario's part for every key that names a path, in which PATH stands for it. whatever says that any content
// of the file will do.
var fileKeys = map[string]struct {
	part     string
	whatever bool
}{
	"rest.body_file":            {part: `rest: {request: "POST http://127.0.0.1:1/", body_file: PATH}`},
	"rest.multipart.file":       {part: `rest: {request: "POST http://127.0.0.1:1/", multipart: [{name: a, file: PATH}]}`, whatever: true},
	"rest.steps.body_file":      {part: `rest: {steps: [{name: a, request: "POST http://127.0.0.1:1/", body_file: PATH}]}`},
	"rest.steps.multipart.file": {part: `rest: {steps: [{name: a, request: "POST http://127.0.0.1:1/", multipart: [{name: a, file: PATH}]}]}`, whatever: true},
	"rest.checks.schema":        {part: `rest: {request: "GET http://127.0.0.1:1/", checks: [{schema: PATH}]}`},
	"rest.steps.checks.schema":  {part: `rest: {steps: [{name: a, request: "GET http://127.0.0.1:1/", checks: [{schema: PATH}]}]}`},
	"grpc.checks.schema":        {part: `grpc: {target: "127.0.0.1:1", method: a.B/C, protos: [ok.proto], checks: [{schema: PATH}]}`},
	"grpc.steps.checks.schema":  {part: `grpc: {target: "127.0.0.1:1", protos: [ok.proto], steps: [{name: a, method: a.B/C, checks: [{schema: PATH}]}]}`},
	"grpc.steps.message_file":   {part: `grpc: {target: "127.0.0.1:1", protos: [ok.proto], steps: [{name: a, method: a.B/C, message_file: PATH}]}`},
	"rest.targets.file":         {part: `rest: {targets: {file: PATH}}`},
	"rest.data.file":            {part: `rest: {request: "GET http://127.0.0.1:1/", data: {file: PATH}}`},
	"grpc.data.file":            {part: `grpc: {target: "127.0.0.1:1", method: a.B/C, protos: [ok.proto], data: {file: PATH}}`},
	"kafka.data.file":           {part: `kafka: {brokers: "127.0.0.1:1", topic: t, data: {file: PATH}}`},
	"rest.tls.ca":               {part: `rest: {request: "GET https://127.0.0.1:1/", tls: {ca: PATH}}`},
	"rest.tls.cert":             {part: `rest: {request: "GET https://127.0.0.1:1/", tls: {cert: PATH, key: self}}`},
	"rest.tls.key":              {part: `rest: {request: "GET https://127.0.0.1:1/", tls: {cert: self, key: PATH}}`},
	"rest.connection.unix":      {part: `rest: {request: "GET http://127.0.0.1:1/", connection: {unix: PATH}}`},
	"grpc.message_file":         {part: `grpc: {target: "127.0.0.1:1", method: a.B/C, protos: [ok.proto], message_file: PATH}`},
	"kafka.value_file":          {part: `kafka: {brokers: "127.0.0.1:1", topic: t, value_file: PATH}`},
	"amqp.body_file":            {part: `amqp: {url: "amqp://127.0.0.1:1/", queue: q, body_file: PATH}`},
	"grpc.protos":               {part: `grpc: {target: "127.0.0.1:1", method: a.B/C, protos: [PATH]}`},
	"grpc.import_paths":         {part: `grpc: {target: "127.0.0.1:1", method: a.B/C, protos: [ok.proto], import_paths: [".", PATH]}`},
	"grpc.descriptors":          {part: `grpc: {target: "127.0.0.1:1", method: a.B/C, descriptors: PATH}`},
	"grpc.tls.ca":               {part: `grpc: {target: "127.0.0.1:1", method: a.B/C, tls: {ca: PATH}}`},
	"grpc.tls.cert":             {part: `grpc: {target: "127.0.0.1:1", method: a.B/C, tls: {cert: PATH, key: self}}`},
	"grpc.tls.key":              {part: `grpc: {target: "127.0.0.1:1", method: a.B/C, tls: {cert: self, key: PATH}}`},
	"kafka.schema.avro":         {part: `kafka: {brokers: "127.0.0.1:1", topic: t, message: {a: b}, schema: {id: 1, avro: PATH}}`},
	"kafka.schema.protobuf":     {part: `kafka: {brokers: "127.0.0.1:1", topic: t, message: {a: b}, schema: {id: 1, protobuf: PATH}}`},
	"kafka.tls.ca":              {part: `kafka: {brokers: "127.0.0.1:1", topic: t, tls: {ca: PATH}}`},
	"kafka.tls.cert":            {part: `kafka: {brokers: "127.0.0.1:1", topic: t, tls: {cert: PATH, key: self}}`},
	"kafka.tls.key":             {part: `kafka: {brokers: "127.0.0.1:1", topic: t, tls: {cert: self, key: PATH}}`},
	"amqp.tls.ca":               {part: `amqp: {url: "amqps://127.0.0.1:1/", queue: q, tls: {ca: PATH}}`},
	"amqp.tls.cert":             {part: `amqp: {url: "amqps://127.0.0.1:1/", queue: q, tls: {cert: PATH, key: self}}`},
	"amqp.tls.key":              {part: `amqp: {url: "amqps://127.0.0.1:1/", queue: q, tls: {cert: self, key: PATH}}`},
	"effects.amqp.tls.ca":       {part: plain + `, effects: {amqp: {url: "amqps://127.0.0.1:1/", exchange: e, tls: {ca: PATH}}}`},
	"effects.amqp.tls.cert":     {part: plain + `, effects: {amqp: {url: "amqps://127.0.0.1:1/", exchange: e, tls: {cert: PATH, key: self}}}`},
	"effects.amqp.tls.key":      {part: plain + `, effects: {amqp: {url: "amqps://127.0.0.1:1/", exchange: e, tls: {cert: self, key: PATH}}}`},
	"effects.kafka.tls.ca":      {part: plain + `, effects: {kafka: {brokers: "127.0.0.1:1", topic: t, tls: {ca: PATH}}}`},
	"effects.kafka.tls.cert":    {part: plain + `, effects: {kafka: {brokers: "127.0.0.1:1", topic: t, tls: {cert: PATH, key: self}}}`},
	"effects.kafka.tls.key":     {part: plain + `, effects: {kafka: {brokers: "127.0.0.1:1", topic: t, tls: {cert: self, key: PATH}}}`},
	"effects.http.tls.ca":       {part: plain + `, effects: {http: {url: "https://127.0.0.1:1", id: $.id, tls: {ca: PATH}}}`},
	"effects.http.tls.cert":     {part: plain + `, effects: {http: {url: "https://127.0.0.1:1", id: $.id, tls: {cert: PATH, key: self}}}`},
	"effects.http.tls.key":      {part: plain + `, effects: {http: {url: "https://127.0.0.1:1", id: $.id, tls: {cert: self, key: PATH}}}`},
	"effects.file.path":         {part: plain + `, effects: {file: {path: PATH, id: $.id}}`, whatever: true},
	"effects.sql.file":          {part: plain + `, effects: {sql: {file: PATH, query: SELECT a FROM b, id: a}}`, whatever: true},
	"effects.grpc.protos":       {part: plain + `, effects: {grpc: {target: "127.0.0.1:1", method: a.B/C, id: $.id, protos: [PATH]}}`},
	"effects.grpc.import_paths": {part: plain + `, effects: {grpc: {target: "127.0.0.1:1", method: a.B/C, id: $.id, protos: [ok.proto], import_paths: [".", PATH]}}`},
	"effects.grpc.descriptors":  {part: plain + `, effects: {grpc: {target: "127.0.0.1:1", method: a.B/C, id: $.id, descriptors: PATH}}`},
	"effects.grpc.tls.ca":       {part: plain + `, effects: {grpc: {target: "127.0.0.1:1", method: a.B/C, id: $.id, tls: {ca: PATH}}}`},
	"effects.grpc.tls.cert":     {part: plain + `, effects: {grpc: {target: "127.0.0.1:1", method: a.B/C, id: $.id, tls: {cert: PATH, key: self}}}`},
	"effects.grpc.tls.key":      {part: plain + `, effects: {grpc: {target: "127.0.0.1:1", method: a.B/C, id: $.id, tls: {cert: self, key: PATH}}}`},
	"consume.amqp.tls.ca":       {part: `consume: {amqp: {url: "amqps://127.0.0.1:1/", exchange: e, tls: {ca: PATH}}}`},
	"consume.amqp.tls.cert":     {part: `consume: {amqp: {url: "amqps://127.0.0.1:1/", exchange: e, tls: {cert: PATH, key: self}}}`},
	"consume.amqp.tls.key":      {part: `consume: {amqp: {url: "amqps://127.0.0.1:1/", exchange: e, tls: {cert: self, key: PATH}}}`},
	"consume.kafka.tls.ca":      {part: `consume: {kafka: {brokers: "127.0.0.1:1", topic: t, tls: {ca: PATH}}}`},
	"consume.kafka.tls.cert":    {part: `consume: {kafka: {brokers: "127.0.0.1:1", topic: t, tls: {cert: PATH, key: self}}}`},
	"consume.kafka.tls.key":     {part: `consume: {kafka: {brokers: "127.0.0.1:1", topic: t, tls: {cert: self, key: PATH}}}`},

	"target.processes.NAME.command":        {part: `target: {processes: {a: {command: [./PATH]}}}`},
	"target.processes.NAME.dir":            {part: `target: {processes: {a: {command: ["true"], dir: PATH}}}`},
	"target.containers.NAME.build":         {part: `target: {containers: {a: {build: PATH}}}`},
	"target.containers.NAME.dockerfile":    {part: `target: {containers: {a: {build: ., dockerfile: PATH}}}`, whatever: true},
	"target.containers.NAME.env_file":      {part: `target: {containers: {a: {image: b, env_file: PATH}}}`},
	"target.containers.NAME.files.NAME":    {part: `target: {containers: {a: {image: b, files: {/x: PATH}}}}`, whatever: true},
	"target.containers.NAME.postgres.init": {part: `target: {containers: {a: {postgres: {init: [PATH.sql]}}}}`, whatever: true},
	"target.compose.file":                  {part: `target: {compose: {file: PATH}}`},

	"observe.tls.ca":   {part: `observe: {x: {prometheus: "https://127.0.0.1:1", series: {a: b}, tls: {ca: PATH}}}`},
	"observe.tls.cert": {part: `observe: {x: {prometheus: "https://127.0.0.1:1", series: {a: b}, tls: {cert: PATH, key: self}}}`},
	"observe.tls.key":  {part: `observe: {x: {prometheus: "https://127.0.0.1:1", series: {a: b}, tls: {cert: self, key: PATH}}}`},

	"fault.link.latency.file": {part: `faults: [{name: f, link: a, at: 0s, for: 1s, latency: {file: PATH}}]`},
	"fault.exec.exec":         {part: `faults: [{name: f, at: 0s, for: 1s, exec: [./PATH], undo: ["true"]}]`},
	"fault.exec.undo":         {part: `faults: [{name: f, at: 0s, for: 1s, exec: ["true"], undo: [./PATH]}]`},
	"fault.exec.check":        {part: `faults: [{name: f, at: 0s, for: 1s, exec: ["true"], undo: ["true"], check: [./PATH]}]`},
	"fault.exec.probe":        {part: `faults: [{name: f, at: 0s, for: 1s, exec: ["true"], undo: ["true"], probe: [./PATH]}]`},
	"fault.exec.dir":          {part: `faults: [{name: f, at: 0s, for: 1s, exec: ["true"], undo: ["true"], dir: PATH}]`},
}

const plain = `rest: {request: "GET http://127.0.0.1:1/"}`

// A key that names a path is checked before the run: an absent path, and a file that holds something else. Both are problems at
// the place of the path. A key that is not in the table fails.
func TestEveryFileKeyIsChecked(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "other.bin"), "{{nope}} \x01 message 1\n")
	write(t, filepath.Join(dir, "self"), "{{nope}}")
	write(t, filepath.Join(dir, "ok.proto"), "syntax = \"proto3\"; package a; message M {} service B { rpc C(M) returns (M); }")
	var tagged []string
	for _, k := range keysOfLanguage() {
		if k.tag == "" {
			continue
		}
		tagged = append(tagged, k.name)
		test, ok := fileKeys[k.name]
		if !ok {
			t.Errorf("%s is not in the table of this test", k.name)
			continue
		}
		if k.tag != "socket" && k.name != "effects.file.path" { // one that is absent may appear
			checkFileKey(t, dir, k.name, test.part, "absent.bin")
		}
		if !test.whatever {
			checkFileKey(t, dir, k.name, test.part, "other.bin")
		}
	}
	for name := range fileKeys {
		if !slices.Contains(tagged, name) {
			t.Errorf("%s is in the table, and no key of the language", name)
		}
	}
}

// checkFileKey wants one problem at the path, or at the certificate that goes with a key.
func checkFileKey(t *testing.T, dir, key, part, path string) {
	t.Helper()
	part = strings.ReplaceAll(part, "PATH", path)
	src := "name: s\nrun: {duration: 2s}\n"
	switch key, _, _ := strings.Cut(part, ":"); key {
	case "target", "faults", "observe":
		src += part + "\ntraffic: {a: {rate: 1/s, " + plain + "}}\n"
	case "consume":
		src += "traffic: {a: {" + part + "}}\n"
	default:
		src += "traffic: {a: {rate: 1/s, " + part + "}}\n"
	}
	sc, err := scenarios.Parse(filepath.Join(dir, "s.yaml"), []byte(src), language, scenarios.Options{})
	if err == nil {
		_, err = sc.CheckFiles()
	} else if key != "target.compose.file" { // which is read with the scenario
		t.Fatalf("%s: %v", key, err)
	}
	if err == nil {
		t.Errorf("%s: nothing is told of %s", key, path)
		return
	}
	line := strings.Split(src, "\n")[2]
	at := strings.Index(line, path)
	if program := strings.Index(line, "./"+path); program >= 0 {
		at = program
	}
	want := []string{fmt.Sprintf("s.yaml:3:%d: ", at+1)}
	if strings.HasSuffix(key, ".key") || strings.HasSuffix(key, ".protos") {
		want = append(want, "tls.cert: ", "protos: ") // certificate and key are one; a file of several is named by the message
	}
	if !slices.ContainsFunc(want, func(w string) bool { return strings.Contains(err.Error(), w) }) {
		t.Errorf("%s, %s: no problem is at %s: %v", key, path, want[0], err)
	}
}
