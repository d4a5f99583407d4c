package draft

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/goccy/go-yaml"
)

// MaxOperations bounds the streams of one document.
const MaxOperations = 40

// LocalBase is where a service is looked for whose document names no address.
const LocalBase = "http://127.0.0.1:8080"

// below says whether a file lies in a folder, with all links followed.
func below(folder, path string) bool {
	var whole [2]string
	for i, p := range []string{folder, path} {
		full, err := filepath.Abs(filepath.FromSlash(p))
		if err == nil {
			full, err = filepath.EvalSymlinks(full)
		}
		if err != nil {
			return errors.Is(err, fs.ErrNotExist) // reading it tells
		}
		whole[i] = full
	}
	within, err := filepath.Rel(whole[0], whole[1])
	return err == nil && filepath.IsLocal(within)
}

// OpenAPI reads an OpenAPI 3 document. base is the service's address, in place of the document's own; empty: the first of its servers.
// DELETE is left out: a first scenario takes nothing away. File is where the document was read, for its references; empty: it may have
// none to other files. References to other hosts, and to files outside of its folder, are not followed. origin is where a service serves the document itself, for
// addresses that name no host; empty: it does not.
func OpenAPI(text []byte, file, base, origin string) (*Scenario, error) {
	loader := openapi3.NewLoader()
	loader.IsExternalRefsAllowed = file != ""
	loader.ReadFromURIFunc = func(l *openapi3.Loader, at *url.URL) ([]byte, error) {
		if at.Scheme != "" && at.Scheme != "file" {
			return nil, fmt.Errorf("%s: references to other hosts are not followed: put the part into the document", at)
		}
		if !below(filepath.Dir(file), at.Path) {
			return nil, fmt.Errorf("%s: references to files outside of the document's folder are not followed: put the part into the document, or the file beside it", at)
		}
		return openapi3.ReadFromFile(l, at)
	}
	doc, err := loader.LoadFromDataWithPath(text, &url.URL{Path: file})
	if err != nil {
		return nil, fmt.Errorf("is no OpenAPI 3 document that can be read: %w", err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.") {
		return nil, errors.New("is no OpenAPI 3 document: it has no openapi: 3.x. A document of Swagger 2.0 must be converted first")
	}
	title := "service"
	if doc.Info != nil && doc.Info.Title != "" {
		title = doc.Info.Title
	}
	o := &openAPI{doc: doc, out: &Scenario{Name: Named(title), From: fmt.Sprintf("the OpenAPI document of %s", title)}, base: base, origin: origin}
	if o.base == "" {
		o.base = o.server()
	}
	o.out.Vars = yaml.MapSlice{item("url", literal(strings.TrimSuffix(o.base, "/")))}
	o.paths()
	if len(o.out.Streams) == 0 {
		return nil, errors.New("has no operation that a first scenario could send: GET, HEAD, POST, PUT or PATCH")
	}
	if len(o.left) > 0 {
		o.out.Notes = append(o.out.Notes, "Left out: "+strings.Join(o.left, ", ")+".")
	}
	if o.guarded {
		o.out.Notes = append(o.out.Notes, `The service wants credentials: put auth: {bearer: "${env.TOKEN}"} below rest: of each stream.`)
	}
	return o.out, nil
}

// openAPI makes streams of a document.
type openAPI struct {
	doc     *openapi3.T
	out     *Scenario
	base    string
	origin  string
	left    []string // operations that were left out
	guarded bool     // some operation wants credentials
}

// server is the first address that the document names.
func (o *openAPI) server() string {
	if len(o.doc.Servers) == 0 && o.origin != "" {
		return o.origin
	}
	if len(o.doc.Servers) == 0 {
		o.out.Notes = append(o.out.Notes, "The document names no server: the address is a guess, --url names another.")
		return LocalBase
	}
	text := o.doc.Servers[0].URL
	for name, v := range o.doc.Servers[0].Variables {
		text = strings.ReplaceAll(text, "{"+name+"}", v.Default)
	}
	at, err := url.Parse(text)
	if err == nil && at.Host == "" && o.origin != "" {
		return o.origin + "/" + strings.Trim(text, "/")
	}
	if err != nil || at.Host == "" {
		o.out.Notes = append(o.out.Notes, "The document names no host: the address is a guess, --url names another.")
		return LocalBase + "/" + strings.Trim(text, "/")
	}
	if host := at.Hostname(); host != "localhost" && !strings.HasPrefix(host, "127.") {
		o.out.Notes = append(o.out.Notes, "A host that is neither on this machine nor in a private network is loaded only with --allow "+host+".")
	}
	return text
}

// methods are those that a first scenario sends, in the order of the streams.
var methods = []string{"POST", "PUT", "PATCH", "GET", "HEAD"}

func (o *openAPI) paths() {
	if o.doc.Paths == nil {
		return
	}
	all := o.doc.Paths.Map()
	var paths []string
	for path := range all {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		operations := all[path].Operations()
		for _, method := range methods {
			op := operations[method]
			if op == nil {
				continue
			}
			if len(o.out.Streams) == MaxOperations {
				o.left = append(o.left, method+" "+path)
				continue
			}
			o.stream(path, method, all[path], op)
		}
		if operations["DELETE"] != nil {
			o.left = append(o.left, "DELETE "+path)
		}
	}
}

// stream writes the stream of one operation. A read by an identity that the service gives becomes a chain: create, then read.
func (o *openAPI) stream(path, method string, at *openapi3.PathItem, op *openapi3.Operation) {
	name := op.OperationID
	if name == "" {
		name = strings.ToLower(method) + path
	}
	st := Stream{Name: name, About: cmpOr(op.Summary, method+" "+path), Gates: usualGates}
	o.guarded = o.guarded || wantsCredentials(o.doc, op)
	if chain := o.chain(path, method, at, op); chain != nil {
		st.Body = paced(yaml.MapSlice{item("rest", yaml.MapSlice{item("steps", chain)})})
		st.Notes = []string{"Each operation creates one and reads it back. The capture is what the answer gave it."}
		o.out.add(st)
		return
	}
	rest, notes, replayed := o.request(path, method, at, op, nil)
	st.Notes = notes
	st.Body = paced(yaml.MapSlice{item("rest", rest)})
	if replayed {
		st.replay()
	}
	o.out.add(st)
}

func cmpOr(a, b string) string {
	if strings.TrimSpace(a) != "" {
		return a
	}
	return b
}

func wantsCredentials(doc *openapi3.T, op *openapi3.Operation) bool {
	need := doc.Security
	if op.Security != nil {
		need = *op.Security
	}
	return slices.ContainsFunc(need, func(r openapi3.SecurityRequirement) bool { return len(r) > 0 })
}

var parameter = regexp.MustCompile(`\{([^{}]+)\}`)

// request writes the rest part of an operation. captured are the parameters of the path that an earlier step captured, by name.
func (o *openAPI) request(path, method string, at *openapi3.PathItem, op *openapi3.Operation, captured map[string]string) (rest yaml.MapSlice, notes []string, replayed bool) {
	known := make(map[string]*openapi3.Parameter)
	for _, p := range slices.Concat(at.Parameters, op.Parameters) {
		if p.Value != nil {
			known[p.Value.In+" "+p.Value.Name] = p.Value
		}
	}
	guessed := false
	target := parameter.ReplaceAllStringFunc(path, func(m string) string {
		name := m[1 : len(m)-1]
		if place, ok := captured[name]; ok {
			return "{{" + place + "}}"
		}
		p := known["path "+name]
		if p == nil || p.Example == nil && (p.Schema == nil || p.Schema.Value == nil || p.Schema.Value.Example == nil) {
			guessed = true
		}
		return url.PathEscape(plainText(parameterValue(p, name)))
	})
	target = strings.NewReplacer("%7B", "{", "%7D", "}", "%20", " ").Replace(target)
	rest = yaml.MapSlice{item("request", method+" ${url}"+target)}
	query, headers := yaml.MapSlice{}, yaml.MapSlice{}
	for _, key := range sortedKeys(known) {
		p := known[key]
		idempotency := p.In == "header" && strings.EqualFold(p.Name, "Idempotency-Key")
		switch {
		case idempotency:
			headers = append(headers, item(p.Name, "{{id}}"))
			replayed = method == "POST" || method == "PUT" || method == "PATCH"
		case !p.Required:
		case p.In == "query":
			query = append(query, item(p.Name, plainText(parameterValue(p, p.Name))))
		case p.In == "header":
			headers = append(headers, item(p.Name, plainText(parameterValue(p, p.Name))))
		case p.In == "cookie":
			headers = append(headers, item("Cookie", p.Name+"="+plainText(parameterValue(p, p.Name))))
		}
	}
	if len(query) > 0 {
		rest = append(rest, item("query", query))
	}
	key, body, note := requestBody(op)
	if key == "body" {
		headers = append(headers, item("Content-Type", note))
		note = ""
	}
	if len(headers) > 0 {
		rest = append(rest, item("headers", headers))
	}
	if key != "" {
		rest = append(rest, item(key, body))
	}
	if note != "" {
		notes = append(notes, note)
	}
	ok, checks := answers(op)
	if guessed && len(ok) > 0 {
		ok = append(ok, "404")
		notes = append(notes, "The value in the path is a guess, so that 404 counts as an answer: name one that exists, and take 404 away.")
		checks = nil
	}
	if len(ok) > 0 {
		rest = append(rest, item("ok", ok))
	}
	if len(checks) > 0 {
		rest = append(rest, item("checks", checks))
	}
	return rest, notes, replayed
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// chain are the steps create and read, where the operation reads what a POST to the path above creates; nil otherwise.
func (o *openAPI) chain(path, method string, at *openapi3.PathItem, op *openapi3.Operation) []yaml.MapSlice {
	cut := strings.LastIndex(path, "/{")
	if method != "GET" || cut < 1 || !strings.HasSuffix(path, "}") || strings.Count(path, "{") != 1 {
		return nil
	}
	parent := o.doc.Paths.Value(path[:cut])
	if parent == nil || parent.Post == nil {
		return nil
	}
	name := path[cut+2 : len(path)-1]
	field := identity(parent.Post, name)
	if field == "" {
		return nil
	}
	place := captureName(name)
	create, _, _ := o.request(path[:cut], "POST", parent, parent.Post, nil)
	read, _, _ := o.request(path, "GET", at, op, map[string]string{name: place})
	create = append(yaml.MapSlice{item("name", "create")}, append(create, item("capture", yaml.MapSlice{item(place, "$."+field)}))...)
	read = append(yaml.MapSlice{item("name", "read")}, read...)
	return []yaml.MapSlice{create, read}
}

// captureName is a name that templates can hold.
func captureName(text string) string {
	return "c_" + strings.ReplaceAll(Named(text), "-", "_")
}

// identity is the field of a created thing that its path names: of the parameter's name, or id; empty: the answer tells none.
func identity(create *openapi3.Operation, parameter string) string {
	_, media := answer(create)
	if media == nil || media.Schema == nil || media.Schema.Value == nil {
		return ""
	}
	fields := properties(media.Schema.Value)
	for _, name := range []string{parameter, "id", "uuid"} {
		if fields[name] != nil {
			return name
		}
	}
	return ""
}
