package shop

import "sync"

// memory is a map that remembers the last limit keys that were put into it: the shop's databases, bounded so that it can
// run for days. What is forgotten is a million orders old by then; no retry is. Safe for concurrent use.
type boundedMap[K comparable, V any] struct {
	mu     sync.Mutex
	values map[K]V
	order  []K // a ring once it has grown to limit
	next   int
	limit  int
}

// memoryLimit is how many orders the shop remembers.
const memoryLimit = 1 << 20

func newBoundedMap[K comparable, V any](limit int) *boundedMap[K, V] {
	return &boundedMap[K, V]{values: make(map[K]V), limit: limit}
}

func (m *boundedMap[K, V]) get(key K) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.values[key]
	return v, ok
}

// getOrPut returns what stood under key, or puts what create makes there. fresh tells which.
func (m *boundedMap[K, V]) getOrPut(key K, create func() V) (value V, fresh bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.values[key]; ok {
		return v, false
	}
	v := create()
	m.values[key] = v
	m.evictOldest(key)
	return v, true
}

// remember notes the age of a new key. m.mu is held.
func (m *boundedMap[K, V]) evictOldest(key K) {
	if len(m.order) < m.limit {
		m.order = append(m.order, key)
		return
	}
	delete(m.values, m.order[m.next])
	m.order[m.next] = key
	m.next = (m.next + 1) % m.limit
}
