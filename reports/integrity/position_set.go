package integrity

// Positions is a set of places in logs, by partition and offset: one bit each, and nothing for 4,096 in a row. It is not safe
// for concurrent use.
type Positions struct{ set positions }

// NewPositions makes an empty set, with room for that many pages that are neither empty nor full.
func NewPositions(room int) *Positions { return &Positions{newPositions(room)} }

// Add marks a place. again: the place was marked before. ok is false if there is no room to know.
func (p *Positions) Add(partition int32, offset int64) (again, ok bool) {
	return p.set.add(p.set.log(partition), offset)
}

// EachMissing visits the places that p has and other lacks, by partition and offset in order.
func (p *Positions) EachMissing(other *Positions, visit func(partition int32, offset int64)) {
	p.set.eachMissing(&other.set, visit)
}
