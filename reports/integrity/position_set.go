package integrity

// Positions is a set of places in logs, by partition and offset: one bit each, and nothing for 4,096 in a row. It is not safe
// for concurrent use.
type Positions struct{ set positions }

// NewPositions makes an empty set, with room for so many pages that are neither empty nor full.
func NewPositions(room int) *Positions { return &Positions{newPositions(room)} }

// Add marks a place. again: it was marked before. ok is false when there is no room to tell.
func (p *Positions) Add(partition int32, offset int64) (again, ok bool) {
	return p.set.add(p.set.log(partition), offset)
}

// EachMissing visits, by partition and offset in order, what p has and other has not.
func (p *Positions) EachMissing(other *Positions, visit func(partition int32, offset int64)) {
	p.set.eachMissing(&other.set, visit)
}
