package shop

import "sync"

// boundedMap is a map that keeps the last limit keys. The shop's databases are bounded so that the shop can run for days. A
// forgotten key is a million orders old, older than any retry. Safe for concurrent use.
type boundedMap[K comparable, V any] struct {
	mu     sync.Mutex
	values map[K]V
	order  []K // becomes a ring once it has grown to limit
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

// getOrPut returns the value of key. If there is none, it stores the result of create, and fresh is true.
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

// replace stores another value of a key that is there. It returns the value before, and the zero value of a key that is not.
func (m *boundedMap[K, V]) replace(key K, value V) (before V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before, ok := m.values[key]
	if ok {
		m.values[key] = value
	}
	return before
}

// evictOldest records the age of a new key, and evicts the oldest key of a full map. m.mu is held.
func (m *boundedMap[K, V]) evictOldest(key K) {
	if len(m.order) < m.limit {
		m.order = append(m.order, key)
		return
	}
	delete(m.values, m.order[m.next])
	m.order[m.next] = key
	m.next = (m.next + 1) % m.limit
}
