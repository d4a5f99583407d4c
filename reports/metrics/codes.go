package metrics

// add adds n to the count of a code.
func add(counts *map[string]int64, code string, n int64) {
	if *counts == nil {
		*counts = make(map[string]int64)
	}
	(*counts)[code] += n
}

func addAll(counts *map[string]int64, more map[string]int64) {
	for code, n := range more {
		add(counts, code, n)
	}
}

// takeAll takes away what was added before. A code without a count is gone.
func takeAll(counts, gone map[string]int64) {
	for code, n := range gone {
		if counts[code] -= n; counts[code] <= 0 {
			delete(counts, code)
		}
	}
}
