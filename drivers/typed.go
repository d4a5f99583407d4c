package drivers

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// The types of CSV columns. A column without one is text.
const (
	typeNumber  = "number"
	typeBoolean = "boolean"
	typeJSON    = "json"
)

// kinds are the types of the columns, in their order; empty: text.
func (f *Feed) kinds(types map[string]string) ([]string, error) {
	out := make([]string, len(f.columns))
	for name, kind := range types {
		column := slices.Index(f.columns, name)
		switch {
		case column < 0:
			return nil, fmt.Errorf("types: there is no column %q; the columns are %s", name, strings.Join(f.columns, ", "))
		case kind == "text":
		case kind != typeNumber && kind != typeBoolean && kind != typeJSON:
			return nil, fmt.Errorf("types: column %s: %q is no type; write text, number, boolean or json", name, kind)
		default:
			out[column] = kind
		}
	}
	return out, nil
}

// wrongCell says why a cell is not of its column's type; empty: it is.
func wrongCell(kind, cell string) string {
	isNumber := cell != "" && (cell[0] == '-' || cell[0] >= '0' && cell[0] <= '9') && json.Valid([]byte(cell)) && strings.TrimSpace(cell) == cell
	switch {
	case kind == typeNumber && !isNumber:
		return "no number as JSON writes one"
	case kind == typeBoolean && cell != "true" && cell != "false":
		return "neither true nor false"
	case kind == typeJSON && !json.Valid([]byte(cell)):
		return "no JSON value"
	}
	return ""
}

// mark notes that the cell that was added last is a JSON value by itself, and no text.
func (f *Feed) mark() {
	for len(f.bare) < len(f.ends)-1 {
		f.bare = append(f.bare, false)
	}
	f.bare = append(f.bare, true)
}

// isBare says whether a cell is a JSON value by itself.
func (f *Feed) isBare(cell uint64) bool { return cell < uint64(len(f.bare)) && f.bare[cell] }

// JSON renders a column as JSON values, by its name in templates: numbers, true, false, null, objects and lists as they stand in the
// file, texts in quotes. quote makes dst[from:] the inside of a JSON string. JSON returns nil if there is no such column, and if each of
// its cells is a text.
func (f *Feed) JSON(name string, quote func(dst []byte, from int) []byte) Place {
	column := slices.Index(f.Places(), name)
	if column < 0 {
		return nil
	}
	width, typed := uint64(len(f.columns)), false
	for row := uint64(0); row < f.rows && !typed; row++ {
		typed = f.isBare(row*width + uint64(column))
	}
	if !typed {
		return nil
	}
	return func(dst []byte, _ *Env, op *Op, _ uint64) []byte {
		cell := f.row(op.Seq)*width + uint64(column)
		if f.isBare(cell) {
			return append(dst, f.cell(cell)...)
		}
		dst = append(dst, '"')
		from := len(dst)
		return append(quote(append(dst, f.cell(cell)...), from), '"')
	}
}
