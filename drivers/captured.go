package drivers

import "slices"

// Captured is the place of value i of Op.Values. Without such a value it renders nothing.
func Captured(i int) Place {
	return func(dst []byte, _ *Env, op *Op, _ uint64) []byte {
		if op.Values == nil || i >= len(*op.Values) {
			return dst
		}
		return append(dst, (*op.Values)[i]...)
	}
}

// Capturing is the dialect with the names of captured values, by their numbers, before its own.
func (d Dialect) Capturing(names []string) Dialect {
	if len(names) == 0 {
		return d
	}
	own := d.Lookup
	d.Names = slices.Concat(names, d.Names)
	d.Lookup = func(name string) Place {
		if i := slices.Index(names, name); i >= 0 {
			return Captured(i)
		}
		if own == nil {
			return nil
		}
		return own(name)
	}
	return d
}
