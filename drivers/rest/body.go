package rest

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"wringer/drivers"
	"wringer/drivers/syntax"
)

// Part is one part of a form with files.
type Part struct {
	Name     string `yaml:"name" jsonschema:"required" jsonschema_description:"The field's name."`
	Value    string `yaml:"value" jsonschema_description:"The field's value. May hold {{...}}."`
	File     string `yaml:"file" path:"file" jsonschema_description:"A file to upload instead of a value, relative to the scenario; read once, sent as it is."`
	Filename string `yaml:"filename" jsonschema_description:"The name that is given to the file. Default: its own."`
	Type     string `yaml:"type" jsonschema_description:"The part's Content-Type. Default for files: application/octet-stream."`
}

// body compiles the body in the form that the step gives. It adds the form's Content-Type unless the scenario sets
// one.
func (cp *compiler) body(r *request, s *Step) texts {
	forms := map[string]bool{
		"body": s.Body != "", "body_file": s.BodyFile != "", "json": s.JSON != nil, "form": s.Form != nil, "multipart": s.Multipart != nil,
	}
	given := ""
	for _, form := range slices.Sorted(maps.Keys(forms)) {
		if !forms[form] {
			continue
		}
		if given != "" {
			cp.problemAt(form, "stands beside "+given+"; keep one of the two")
			return nil
		}
		given = form
	}
	own := named(s.Headers, "Content-Type") || cp.prefix != "" && named(cp.config.Headers, "Content-Type")
	kind := func(t string) {
		if !own {
			r.add("Content-Type", text{template: drivers.Literal(t)})
		}
	}
	switch given {
	case "body":
		return texts{{text: cp.text("body", s.Body, bodyPlace, syntax.Body(cp.contentType(s), s.Body))}}
	case "body_file":
		if !cp.readable(s.BodyFile) {
			return nil
		}
		content := cp.file("body_file", s.BodyFile)
		return texts{{text: cp.content("body_file", content, bodyPlace, syntax.Body(cp.contentType(s), content))}}
	case "json":
		kind("application/json")
		j := jsonBody{w: cp}
		j.value(s.JSON)
		return j.end()
	case "form":
		kind("application/x-www-form-urlencoded")
		return cp.form(s.Form)
	case "multipart":
		if own {
			cp.problemAt("multipart", "sets the Content-Type with its boundary; remove the header")
		}
		boundary, out := cp.multipart(s.Multipart)
		kind("multipart/form-data; boundary=" + boundary)
		return out
	}
	return nil
}

// contentType is the content type that the scenario gives the body; "" where it gives none.
func (cp *compiler) contentType(s *Step) string {
	for _, headers := range []map[string]string{s.Headers, cp.config.Headers} {
		for name, value := range headers {
			if strings.EqualFold(name, "Content-Type") {
				return value
			}
		}
	}
	return ""
}

// file reads a file of the scenario.
func (cp *compiler) file(field, path string) string {
	content, err := drivers.ReadFile(drivers.ResolvePath(cp.env.Files, path))
	if err != nil {
		cp.problemAt(field, err.Error())
	}
	return content
}

// jsonBody writes JSON in which strings may be templates.
type jsonBody struct {
	w       *compiler
	out     texts
	literal strings.Builder
}

// numbers are the template functions that render a number. A string that holds nothing else becomes a JSON number.
var numbers = []string{"int", "keyseq", "seq", "unix_ms"}

func (j *jsonBody) value(v any) {
	switch v := v.(type) {
	case map[string]any:
		j.literal.WriteByte('{')
		for i, name := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				j.literal.WriteByte(',')
			}
			j.plain(name)
			j.literal.WriteByte(':')
			j.value(v[name])
		}
		j.literal.WriteByte('}')
	case []any:
		j.literal.WriteByte('[')
		for i := range v {
			if i > 0 {
				j.literal.WriteByte(',')
			}
			j.value(v[i])
		}
		j.literal.WriteByte(']')
	case string:
		j.text(v)
	default:
		b, err := json.Marshal(v)
		if err != nil {
			j.w.problemAt("json", err.Error())
		}
		j.literal.Write(b)
	}
}

func (j *jsonBody) plain(s string) {
	j.literal.WriteString(`"` + string(syntax.JSONString([]byte(s), 0)) + `"`)
}

func (j *jsonBody) text(s string) {
	if !strings.Contains(s, "{{") {
		j.plain(s)
		return
	}
	quote, words := `"`, lonePlace(s)
	switch {
	case len(words) > 0 && slices.Contains(numbers, words[0]):
		quote = ""
	case len(words) == 1 && j.w.feed != nil:
		if p := j.w.feed.JSON(words[0], syntax.JSONString); p != nil {
			j.out = append(j.out, piece{j.literal.String(), j.w.placed("json", p)})
			j.literal.Reset()
			return
		}
	}
	j.literal.WriteString(quote)
	j.out = append(j.out, piece{j.literal.String(), j.w.text("json", s, partPlace+uint64(len(j.out)), drivers.Uniform(syntax.JSONString))})
	j.literal.Reset()
	j.literal.WriteString(quote)
}

// lonePlace are the words of a text that is one place and nothing else; nil for any other.
func lonePlace(s string) []string {
	inside, ok := strings.CutPrefix(s, "{{")
	if !ok || strings.Index(inside, "}}") != len(inside)-2 {
		return nil
	}
	return strings.Fields(inside[:len(inside)-2])
}

func (j *jsonBody) end() texts { return append(j.out, piece{literal: j.literal.String()}) }

func (cp *compiler) form(fields map[string]string) texts {
	var out texts
	for i, name := range slices.Sorted(maps.Keys(fields)) {
		sign := ""
		if i > 0 {
			sign = "&"
		}
		value := cp.text("form."+name, fields[name], partPlace+uint64(i), drivers.Uniform(syntax.Query))
		out = append(out, piece{sign + string(syntax.Query([]byte(name), 0)) + "=", value})
	}
	if len(out) == 0 {
		cp.problemAt("form", "has no fields")
	}
	return out
}

// multipart lays out a form with files (RFC 7578). The boundary is a hash of all fixed content, so that no file can
// hold it.
func (cp *compiler) multipart(parts []Part) (boundary string, out texts) {
	if len(parts) == 0 {
		cp.problemAt("multipart", "has no parts")
	}
	contents := make([]text, len(parts))
	sum := sha256.New()
	for i := range parts {
		p, field := &parts[i], fmt.Sprintf("multipart[%d]", i)
		cp.checkPart(p, field)
		switch {
		case p.File == "":
			contents[i] = cp.text(field+".value", p.Value, partPlace+uint64(i), syntax.Body(p.Type, p.Value))
			sum.Write([]byte(p.Value))
		case cp.readable(p.File):
			content := cp.file(field+".file", p.File)
			contents[i] = text{template: drivers.Literal(content)}
			sum.Write([]byte(content))
		}
	}
	boundary = fmt.Sprintf("wringer-%x", sum.Sum(nil)[:12])
	for i := range parts {
		out = append(out, piece{parts[i].head(boundary, i == 0), contents[i]})
	}
	return boundary, append(out, piece{literal: "\r\n--" + boundary + "--\r\n"})
}

func (cp *compiler) checkPart(p *Part, field string) {
	switch {
	case p.Name == "":
		cp.problemAt(field, "has no name")
	case strings.Contains(p.Name+p.Filename, "{{"):
		cp.problemAt(field, "name and filename are sent as they are written: {{...}} is rendered in a value alone")
	case p.File != "" && p.Value != "":
		cp.problemAt(field, "has a value and a file; keep one of the two")
	case p.Filename != "" && p.File == "":
		cp.problemAt(field+".filename", "goes with file")
	case !validValue([]byte(p.Type)):
		cp.problemAt(field+".type", "holds a control character")
	}
}

// quoteName escapes a name as browsers do (RFC 7578, 4.2).
var quoteName = strings.NewReplacer("\r", "%0D", "\n", "%0A", `"`, "%22")

// head is the text before a part's content.
func (p *Part) head(boundary string, first bool) string {
	var b strings.Builder
	if !first {
		b.WriteString("\r\n")
	}
	b.WriteString("--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + quoteName.Replace(p.Name) + `"`)
	kind := p.Type
	if p.File != "" {
		name := p.Filename
		if name == "" {
			name = p.File[strings.LastIndexAny(p.File, `/\`)+1:]
		}
		b.WriteString(`; filename="` + quoteName.Replace(name) + `"`)
		if kind == "" {
			kind = "application/octet-stream"
		}
	}
	if kind != "" {
		b.WriteString("\r\nContent-Type: " + kind)
	}
	b.WriteString("\r\n\r\n")
	return b.String()
}
