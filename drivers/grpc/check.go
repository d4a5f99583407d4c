package grpc

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"wringer/drivers"
	"wringer/drivers/checks"
	"wringer/drivers/payload"
)

// Check is one entry of `checks`. Every condition in it must hold. It looks at the answer's JSON form, where absent fields have their
// default.
type Check struct {
	checks.Document `yaml:",inline"`
}

// checker compiles the conditions of checks. JSON writes whole numbers of 64 bits as texts in protobuf's mapping.
func checker(dialect drivers.Dialect, render func(*drivers.Template) checks.Renderer, problem func(field, message string)) *checks.Compiler {
	return &checks.Compiler{Problem: problem, TextNumbers: true, Text: func(field, text string, where drivers.Syntax) checks.Renderer {
		in := dialect
		in.Syntax = where
		t, err := in.Compile(text)
		if err != nil {
			problem(field, err.Error())
			return nil
		}
		return render(t)
	}}
}

// rendersNothing is for a compiler whose conditions are not applied.
func rendersNothing(*drivers.Template) checks.Renderer {
	return func(dst []byte, _ *drivers.Op) []byte { return dst }
}

// checkChecks checks the checks without the method's types.
func (p *part) checkChecks(in drivers.Dialect, problem func(field, message string)) {
	compiler := checker(in, rendersNothing, problem)
	for i := range p.Checks {
		each, field := &p.Checks[i], fmt.Sprintf("checks[%d]", i)
		if _, err := p.step.names.Add(each.Name); err != nil {
			problem(field+".name", err.Error())
		}
		if !each.Looks() {
			problem(field, "checks nothing; write json: {PATH: VALUE}, or another condition")
		}
		compiler.Compile(&each.Document, field)
	}
}

// checkSchemas reads the schemas of the checks.
func (p *part) checkSchemas(folder string, readable func(path string) bool, problem func(field, message string)) {
	compiler := checker(drivers.Dialect{}, rendersNothing, problem)
	compiler.Folder, compiler.Readable = folder, readable
	for i := range p.Checks {
		compiler.Compile(&checks.Document{Schema: p.Checks[i].Schema}, fmt.Sprintf("checks[%d]", i))
	}
}

// answers checks the answers of a unary method, and takes values out of them. It is read only once made.
type answers struct {
	message  protoreflect.MessageDescriptor
	options  protojson.MarshalOptions
	checks   checks.Set[any]
	captures []capture
	standsIn bool
}

// answers compiles the checks and captures of a call for its method; nil without any. folder is where the files of schemas start, of
// which readable says what can be read. Errors are FieldErrors.
func (p *part) answers(method protoreflect.MethodDescriptor, types *dynamicpb.Types, compiler *payload.Compiler, folder string, readable func(string) bool) (*answers, error) {
	if len(p.Checks) == 0 && len(p.step.capture) == 0 {
		return nil, nil
	}
	if method.IsStreamingClient() || method.IsStreamingServer() {
		return nil, &payload.FieldError{Path: "checks", Err: fmt.Errorf("%s streams, and checks and captures look at the answer of a unary method; take them away", method.FullName())}
	}
	a := &answers{message: method.Output(), options: protojson.MarshalOptions{EmitUnpopulated: true}, standsIn: p.step.standsIn}
	if types != nil {
		a.options.Resolver = types
	}
	var problems []error
	problem := func(field, message string) {
		problems = append(problems, &payload.FieldError{Path: field, Err: errors.New(message)})
	}
	render := func(t *drivers.Template) checks.Renderer { return compiler.Render(t) }
	conditions := checker(compiler.Dialect, render, problem)
	conditions.Path = func(spec string) error { return hasField(method.Output(), spec) }
	conditions.Folder, conditions.Readable = folder, readable
	for i := range p.Checks {
		each := &p.Checks[i]
		bit, err := p.step.names.Add(each.Name)
		if err != nil {
			problem(fmt.Sprintf("checks[%d].name", i), err.Error())
		}
		all := conditions.Compile(&each.Document, fmt.Sprintf("checks[%d]", i))
		a.checks.Add(each.Name, bit, all.Failing)
	}
	a.captures = captures(p.step.capture, conditions.Path, problem)
	return a, errors.Join(problems...)
}

// hasField wants the first name of a path to be a field of the message. Types with a JSON form of their own may have any.
func hasField(d protoreflect.MessageDescriptor, spec string) error {
	name, ok := strings.CutPrefix(spec, "$.")
	if !ok || d.ParentFile().Package() == "google.protobuf" {
		return nil
	}
	if end := strings.IndexAny(name, ".["); end >= 0 {
		name = name[:end]
	}
	var names []string
	for i := range d.Fields().Len() {
		if names = append(names, d.Fields().Get(i).JSONName()); names[i] == name {
			return nil
		}
	}
	return fmt.Errorf("%s has no field %s; it has %s", d.FullName(), name, strings.Join(names, ", "))
}

// judge lets an acknowledged attempt fail whose answer is not what the checks want. Without checks it changes nothing.
func (d *driver) judge(answer []byte, op *drivers.Op, at *drivers.Attempt) {
	a := d.answers
	if a == nil || at.Outcome != drivers.Acked {
		return
	}
	doc, err := a.document(answer)
	if err != nil {
		at.Fail(drivers.Indeterminate, drivers.CodeMalformed, "OK with a message that has no JSON form: "+err.Error())
		return
	}
	if why := a.checks.Judge(doc, op, at); why != "" {
		at.Fail(drivers.Indeterminate, drivers.CodeCheck, why+d.operation(op))
	}
}

// operation names an operation, as the end of a sentence.
func (d *driver) operation(op *drivers.Op) string {
	return " (operation " + d.env.Identity.Text(op.Seq) + ")"
}

// document is the answer's JSON form, its numbers as they are written.
func (a *answers) document(answer []byte) (doc any, err error) {
	m := dynamicpb.NewMessage(a.message)
	if err := proto.Unmarshal(answer, m); err != nil {
		return nil, err
	}
	text, err := a.options.Marshal(m)
	if err != nil {
		return nil, err
	}
	return checks.Decode(text)
}
