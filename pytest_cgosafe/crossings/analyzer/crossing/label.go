package crossing

import "go/token"

// A label says what a word holds: a reference to an object, perhaps converted to an integer.
type label struct {
	obj *object
	off offset
	// The part of the object that C may look at by the cgo rules, when the address is that of a field: [low, high).
	// Both 0 for the whole object. In the memory of a slice it is the same part of each element: every so many bytes.
	low, high, every int64
	// The header that the word was read from through another type: Slice or String; else "".
	header Kind
}

// An entry is a label together with the place of its word, within a value or an object.
type entry struct {
	at    offset
	label label
}

// A step is a link of the chain that a value has come, with the earlier ones behind it.
type step struct {
	pos  token.Pos
	note string
	prev *step
	len  int
}

// maxSteps bounds a chain: loops of calls may lengthen it without end.
const maxSteps = 16

func (s *step) then(pos token.Pos, note string) *step {
	if note == "" || !pos.IsValid() || s != nil && (s.len >= maxSteps || s.pos == pos && s.note == note) {
		return s
	}
	next := &step{pos: pos, note: note, prev: s, len: 1}
	if s != nil {
		next.len += s.len
	}
	return next
}

// join puts the chain s behind the chain first.
func (s *step) join(first *step) *step {
	if s == nil {
		return first
	}
	return s.prev.join(first).then(s.pos, s.note)
}

// A set is the entries that a value may have, each with the first way found in which it came, in the order found: what is
// reported must be the same each time.
type set = *entries

type entries struct {
	all   []found
	known map[entry]bool // once there are many
}

type found struct {
	entry entry
	way   *step
}

func single(e entry, way *step) set { return &entries{all: []found{{e, way}}} }

func (s *entries) items() []found {
	if s == nil {
		return nil
	}
	return s.all
}

func (s *entries) add(e entry, way *step) bool {
	if s.has(e) {
		return false
	}
	s.all = append(s.all, found{e, way})
	if s.known != nil {
		s.known[e] = true
	}
	return true
}

// few is how many entries are looked through one by one.
const few = 12

func (s *entries) has(e entry) bool {
	if len(s.all) > few && s.known == nil {
		s.known = make(map[entry]bool, 2*len(s.all))
		for _, it := range s.all {
			s.known[it.entry] = true
		}
	}
	if s.known != nil {
		return s.known[e]
	}
	for _, it := range s.all {
		if it.entry == e {
			return true
		}
	}
	return false
}

// shift moves where the label points by off.
func (l label) shift(off offset) label {
	l.off = l.off.plus(off)
	return l
}

// narrow moves the label to a field that lies off bytes further and has size bytes.
func (l label) narrow(off, size int64) label {
	l.off = l.off.plus(at(off))
	l.low, l.high, l.every = l.off.base, l.off.base+size, l.off.stride
	return l
}

// apply moves l, the address that an object stands for, to where relative says within that object.
func (l label) apply(relative label) label {
	moved := l.shift(relative.off)
	if relative.high > 0 {
		moved.low, moved.high = l.off.base+relative.low, l.off.base+relative.high
		moved.every = gcd(l.off.stride, relative.every)
	}
	if relative.header != "" {
		moved.header = relative.header
	}
	return moved
}

// covers reports whether C may look at the word that lies at off in the object.
func (l label) covers(off offset) bool {
	if l.high == 0 {
		return true
	}
	return offset{off.base, gcd(off.stride, l.every)}.within(l.low, l.high)
}
