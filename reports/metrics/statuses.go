package metrics

import "strconv"

// statuses counts by status. A target has few: a list is found sooner than a map, and takes no memory until it is used.
type statuses []statusCount

type statusCount struct {
	code  int
	count int64
}

func (s *statuses) add(code int, n int64) {
	for i := range *s {
		if (*s)[i].code == code {
			(*s)[i].count += n
			return
		}
	}
	*s = append(*s, statusCount{code, n})
}

// byName is the record's form; nil when empty.
func (s statuses) byName() map[string]int64 {
	if len(s) == 0 {
		return nil
	}
	out := make(map[string]int64, len(s))
	for _, one := range s {
		out[strconv.Itoa(one.code)] = one.count
	}
	return out
}
