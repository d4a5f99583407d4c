package draft

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/goccy/go-yaml"
)

// deepest bounds nested values: schemas may hold themselves.
const deepest = 6

// requestBody is the key of the rest part for an operation's body, and its value; an empty key: it has none. Of a body in another
// form, note is its content type.
func requestBody(op *openapi3.Operation) (key string, body any, note string) {
	if op.RequestBody == nil || op.RequestBody.Value == nil {
		return "", nil, ""
	}
	content := op.RequestBody.Value.Content
	for _, kind := range sortedKeys(content) {
		if strings.Contains(kind, "json") {
			return "json", mediaValue(content[kind]), ""
		}
	}
	if form := content["application/x-www-form-urlencoded"]; form != nil {
		return "form", texts(mediaValue(form)), ""
	}
	for _, kind := range sortedKeys(content) {
		return "body", plainText(mediaValue(content[kind])), kind
	}
	return "", nil, ""
}

// texts makes a form's fields of a value.
func texts(v any) yaml.MapSlice {
	fields, _ := v.(yaml.MapSlice)
	out := yaml.MapSlice{}
	for _, f := range fields {
		out = append(out, yaml.MapItem{Key: f.Key, Value: plainText(f.Value)})
	}
	return out
}

// mediaValue is a body as an example says, or as the schema allows.
func mediaValue(m *openapi3.MediaType) any {
	if m.Example != nil {
		return ordered(m.Example)
	}
	for _, name := range sortedKeys(m.Examples) {
		if e := m.Examples[name].Value; e != nil && e.Value != nil {
			return ordered(e.Value)
		}
	}
	return value(m.Schema, "", 0)
}

// ordered gives the fields of an example a fixed order. {{ in its texts is text.
func ordered(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := yaml.MapSlice{}
		for _, key := range sortedKeys(v) {
			out = append(out, item(key, ordered(v[key])))
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = ordered(v[i])
		}
		return out
	case string:
		return literal(v)
	case float64:
		if v == float64(int64(v)) {
			return int64(v)
		}
	}
	return v
}

// literal escapes what templates and variables would take for their own.
func literal(s string) string {
	return strings.NewReplacer("{{", `{{"{{"}}`, "${", "$${").Replace(s)
}

// parameterValue is the value of a parameter. p may be nil: the document does not describe it.
func parameterValue(p *openapi3.Parameter, name string) any {
	if p == nil {
		return 1
	}
	if p.Example != nil {
		return ordered(p.Example)
	}
	return value(p.Schema, name, 0)
}

// value is one that the schema allows, with places that make each operation's its own. name is that of the field.
func value(ref *openapi3.SchemaRef, name string, depth int) any {
	if ref == nil || ref.Value == nil || depth > deepest {
		return "text"
	}
	s := ref.Value
	switch {
	case len(s.Enum) == 1:
		return ordered(s.Enum[0])
	case len(s.Enum) > 1:
		return choice(s.Enum)
	case s.Example != nil && !isIdentity(name, s):
		return ordered(s.Example)
	case s.Default != nil:
		return ordered(s.Default)
	}
	for _, of := range [][]*openapi3.SchemaRef{s.OneOf, s.AnyOf} {
		if len(of) > 0 {
			return value(of[0], name, depth+1)
		}
	}
	fields := properties(s)
	switch {
	case s.Type.Is("object") || len(fields) > 0:
		return object(s, fields, depth)
	case s.Type.Is("array"):
		return []any{value(s.Items, name, depth+1)}
	case s.Type.Is("integer"):
		return integer(s)
	case s.Type.Is("number"):
		return fraction(s)
	case s.Type.Is("boolean"):
		return true
	}
	return text(s, name)
}

// choice is one of several texts for each operation; of other values the first.
func choice(all []any) any {
	words := make([]string, len(all))
	for i, v := range all {
		s, ok := v.(string)
		if !ok || s == "" || strings.ContainsAny(s, " \t:{}\"`$") {
			return ordered(all[0])
		}
		words[i] = s
	}
	return "{{choice " + strings.Join(words, " ") + "}}"
}

// properties are the fields of an object, those of its parts included.
func properties(s *openapi3.Schema) map[string]*openapi3.SchemaRef {
	out := make(map[string]*openapi3.SchemaRef)
	for _, part := range parts(s, 0) {
		for name, p := range part.Properties {
			if p != nil {
				out[name] = p
			}
		}
	}
	return out
}

// parts are the schemas that an object is made of, itself last. A document may let parts hold each other: they end at a depth.
func parts(s *openapi3.Schema, depth int) (all []*openapi3.Schema) {
	for _, part := range s.AllOf {
		if part != nil && part.Value != nil && depth < deepest {
			all = append(all, parts(part.Value, depth+1)...)
		}
	}
	return append(all, s)
}

// required are the fields that an object must have, those of its parts included.
func required(s *openapi3.Schema) []string {
	var all []string
	for _, part := range parts(s, 0) {
		all = append(all, part.Required...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// object has the required fields, and all where none is required. What only answers have is left out.
func object(s *openapi3.Schema, fields map[string]*openapi3.SchemaRef, depth int) yaml.MapSlice {
	need := required(s)
	out := yaml.MapSlice{}
	for _, name := range sortedKeys(fields) {
		if p := fields[name].Value; p == nil || p.ReadOnly || len(need) > 0 && !slices.Contains(need, name) {
			continue
		}
		out = append(out, item(name, value(fields[name], name, depth+1)))
	}
	return out
}

func integer(s *openapi3.Schema) any {
	low, high := int64(1), int64(100)
	if s.Min != nil {
		low = int64(*s.Min)
		if s.ExclusiveMin.Bool != nil && *s.ExclusiveMin.Bool {
			low++
		}
		high = max(high, low)
	}
	if s.Max != nil {
		high = int64(*s.Max)
		if s.ExclusiveMax.Bool != nil && *s.ExclusiveMax.Bool {
			high--
		}
		low = min(low, high)
	}
	if s.MultipleOf != nil || low == high || low < 0 {
		return max(low, 0)
	}
	return fmt.Sprintf("{{int %d %d}}", low, high)
}

func fraction(s *openapi3.Schema) any {
	v := 1.5
	if s.Min != nil {
		v = max(v, *s.Min)
	}
	if s.Max != nil {
		v = min(v, *s.Max)
	}
	return v
}

// isIdentity says whether a field names the thing itself, so that each operation needs its own.
func isIdentity(name string, s *openapi3.Schema) bool {
	return s.Type.Is("string") && (name == "id" || s.Format == "uuid" && !strings.Contains(strings.ToLower(name), "customer"))
}

// byFormat are texts of the formats that documents use.
var byFormat = map[string]string{
	"uuid": "{{uuid}}", "date-time": "{{timestamp}}", "date": "2030-01-31", "time": "12:00:00Z", "email": "user{{seq}}@example.com", "hostname": "example.com",
	"uri": "https://example.com/{{seq}}", "url": "https://example.com/{{seq}}", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1", "byte": "dGV4dA==", "binary": "text",
}

// text is a text of the schema's length. What a pattern asks for is not guessed: see the note of the stream.
func text(s *openapi3.Schema, name string) string {
	if t := byFormat[s.Format]; t != "" {
		return t
	}
	if s.MaxLength == nil && s.MinLength == 0 && isIdentity(name, s) {
		return "{{id}}"
	}
	length := max(uint64(8), s.MinLength)
	if s.MaxLength != nil {
		length = min(length, *s.MaxLength)
	}
	if length == 0 {
		return ""
	}
	return fmt.Sprintf("{{string %d}}", length)
}

// plainText is a value in a place that takes texts alone.
func plainText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case yaml.MapSlice, []any:
		raw, err := json.Marshal(plainTree(v))
		if err != nil {
			return ""
		}
		return string(raw)
	}
	return fmt.Sprint(v)
}

// plainTree is a value as encoding/json writes it.
func plainTree(v any) any {
	switch v := v.(type) {
	case yaml.MapSlice:
		out := make(map[string]any)
		for _, f := range v {
			out[fmt.Sprint(f.Key)] = plainTree(f.Value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plainTree(v[i])
		}
		return out
	}
	return v
}

// answer is the first answer of a success that the document describes, and its JSON; nil without one.
func answer(op *openapi3.Operation) (statuses []string, media *openapi3.MediaType) {
	if op.Responses == nil {
		return nil, nil
	}
	all := op.Responses.Map()
	for _, status := range sortedKeys(all) {
		if !strings.HasPrefix(status, "2") {
			continue
		}
		statuses = append(statuses, strings.ToLower(status))
		if r := all[status].Value; r != nil && media == nil && len(statuses) == 1 {
			for _, kind := range sortedKeys(r.Content) {
				if strings.Contains(kind, "json") {
					media = r.Content[kind]
				}
			}
		}
	}
	return statuses, media
}

// answers are the statuses of a success, and the checks of its body: what the document requires of it.
func answers(op *openapi3.Operation) (ok []string, checks []yaml.MapSlice) {
	ok, media := answer(op)
	if media == nil || len(ok) != 1 {
		return ok, nil
	}
	checks = append(checks, yaml.MapSlice{item("header", yaml.MapSlice{item("Content-Type", "json")})})
	if media.Schema == nil || media.Schema.Value == nil || media.Schema.Value.Type.Is("array") {
		return ok, checks
	}
	for _, name := range required(media.Schema.Value) {
		checks = append(checks, yaml.MapSlice{item("body", `"`+regexp.QuoteMeta(name)+`"\s*:`)})
	}
	return ok, checks
}
