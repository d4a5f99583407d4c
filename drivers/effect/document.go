package effect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"wringer/drivers"
	"wringer/drivers/jsonpath"
)

// CheckPath says what is wrong with a field that is a JSON path.
func CheckPath(name string) error {
	_, err := jsonpath.Parse(name)
	return err
}

// Documents reads the fields of JSON documents, by their paths.
type Documents map[string]*jsonpath.Path

// Documents compiles the fields as JSON paths.
func (f *Fields) Documents() (Documents, error) {
	d := make(Documents)
	for _, name := range f.Columns() {
		p, err := jsonpath.Parse(name)
		if err != nil {
			return nil, err
		}
		d[name] = p
	}
	return d, nil
}

// Fields returns the fields of a document, which must be JSON. A byte order mark before it is none of it.
func (d Documents) Fields(doc []byte) (Field, error) {
	doc = bytes.TrimPrefix(doc, []byte("\ufeff"))
	if !json.Valid(doc) {
		return nil, errors.New("it is no JSON")
	}
	return func(name string) ([]byte, bool) {
		p := d[name]
		if p == nil {
			return nil, false
		}
		var scratch []byte
		text := p.Find(doc, &scratch)
		return text, text != nil
	}, nil
}

// Comparer returns what says how a JSON document differs from what was sent under its identity. It is nil where nothing is
// compared. What it returns is not safe for concurrent use. Its errors wrap drivers.ErrConfig.
func (f *Fields) Comparer(env drivers.Env) (func(id, document []byte) string, error) {
	if !f.Matched() {
		return nil, nil
	}
	reader, err := f.Open(env)
	if err != nil {
		return nil, err
	}
	documents, err := f.Documents()
	if err != nil {
		return nil, fmt.Errorf("%w: match: %w", drivers.ErrConfig, err)
	}
	return func(id, document []byte) string {
		field, err := documents.Fields(document)
		if err != nil {
			field = func(string) ([]byte, bool) { return nil, false }
		}
		return reader.Differs(id, field)
	}, nil
}

// Items returns the items of a list in a JSON document. The list stands at the path; nil: the document is the list.
func Items(doc []byte, at *jsonpath.Path) ([][]byte, error) {
	var raw []json.RawMessage
	if at == nil {
		if err := json.Unmarshal(doc, &raw); err != nil {
			return nil, fmt.Errorf("it is no JSON list: %w", err)
		}
		return cut(raw), nil
	}
	tree, err := Tree(doc)
	if err != nil {
		return nil, err
	}
	list, found := at.In(tree)
	all, ok := list.([]any)
	if !found || !ok {
		if found && list == nil {
			return nil, nil // null: an empty list, as many encoders write it
		}
		return nil, errors.New("there is no list at items")
	}
	for _, item := range all {
		one, err := json.Marshal(item)
		if err != nil {
			return nil, err
		}
		raw = append(raw, one)
	}
	return cut(raw), nil
}

func cut(raw []json.RawMessage) (out [][]byte) {
	for _, one := range raw {
		out = append(out, one)
	}
	return out
}

// Tree decodes a document. Numbers stay as they are written.
func Tree(doc []byte) (tree any, err error) {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		return nil, fmt.Errorf("it is no JSON: %w", err)
	}
	if d.More() {
		return nil, errors.New("it is no JSON: something follows the document")
	}
	return tree, nil
}
