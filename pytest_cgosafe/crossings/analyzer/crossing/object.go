package crossing

import (
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ssa"
)

// An object is what a reference refers to: memory, a map, a channel, a function, a string's bytes, or the value in an interface.
type object struct {
	// kind is Map, Chan, Func, Interface or String for what such a value refers to, Pointer for memory; "" for what an
	// unknown word may refer to.
	kind Kind
	// c says that it is C's: memory or a function.
	c bool
	// foreign says that this package did not see it being made: it need not be Go's.
	foreign bool

	name   string
	typ    string // of the variable or value, as the source writes it
	pos    token.Pos
	slots  []slot        // what its type says that it holds
	stride int64         // the size of an element if it is the memory of a slice; else 0
	dyn    types.Type    // the type of the value in an interface; nil if unknown or another package's
	dynID  string        // the same, as a text that is the same in all packages; "" if unknown
	fn     *ssa.Function // what an object of kind Func runs, if known
	caught []set         // what a closure has caught, by free variable

	// owner is the function that makes it; nil for package variables, functions and what is C's.
	owner *ssa.Function
	depth int // how many calls deep it was made, as seen from owner

	// Symbolic objects stand for what the caller of owner hands in: the object that the word at place of parent refers to,
	// or, without a parent, that the word at place of the root-th parameter or free variable refers to.
	symbolic bool
	parent   *object
	root     int
	place    offset
	asserted string // the type that the value in the interface parent must have to be meant; "" for any
	children map[childKey]*object

	contents []*content
	kills    []kill
	pins     []pin
}

// content is what is known of an entry of an object: how it came, and the instructions that store it; nil for "always there".
type content struct {
	entry entry
	way   *step
	sites []ssa.Instruction
}

// A kill is a store that overwrites the bytes [low, high) of an object.
type kill struct {
	site      ssa.Instruction
	low, high int64
}

// maxContents bounds what is known of an object: see maxEntries.
const maxContents = 64

func (o *object) put(e entry, way *step, site ssa.Instruction) bool {
	var known *content
	for _, c := range o.contents {
		if c.entry == e {
			known = c
		}
	}
	if known == nil {
		if len(o.contents) >= maxContents {
			return false
		}
		o.contents = append(o.contents, &content{e, way, []ssa.Instruction{site}})
		return true
	}
	for _, s := range known.sites {
		if s == site {
			return false
		}
	}
	known.sites = append(known.sites, site)
	return true
}

// isHandle reports whether o is the memory of a cgo.Handle: its documentation gives its address to C.
func (o *object) isHandle() bool { return len(o.slots) == 1 && o.slots[0].handle }

// slotAt returns where a slot lies in the object.
func (o *object) slotAt(s slot) offset { return offset{s.off, o.stride}.normal() }

// slotFor returns what o's type says of the word at off, or else s, as what it is used.
func (o *object) slotFor(off offset, s slot) slot {
	for _, own := range o.slots {
		if own.kind != "" && o.slotAt(own).meets(off) {
			return own
		}
	}
	return s
}

// maxDepth bounds chains of symbolic objects, as a linked list has them, and copies of copies, as recursion makes them.
const maxDepth = 4

type childKey struct {
	off      offset
	asserted string
}

// child returns the symbolic object that the word at off of a symbolic object refers to; nil where that is too far away.
func (o *object) child(off offset, s slot, ls *layouts) *object {
	return o.childAs(off, s, "", ls)
}

// childAs is child for the value in an interface, if it has the type asserted.
func (o *object) childAs(off offset, s slot, asserted string, ls *layouts) *object {
	key := childKey{off, asserted}
	if c, ok := o.children[key]; ok {
		return c
	}
	if o.depth >= maxDepth {
		return nil
	}
	c := &object{symbolic: true, parent: o, place: off, owner: o.owner, depth: o.depth + 1, name: o.name, typ: o.typ, pos: o.pos}
	c.asserted = asserted
	c.declare(s, ls)
	if o.children == nil {
		o.children = make(map[childKey]*object)
	}
	o.children[key] = c
	return c
}

// childLike returns the child that is to o what other is to its own parent.
func (o *object) childLike(other *object, ls *layouts) *object {
	c := o.childAs(other.place, slot{}, other.asserted, ls)
	if c != nil && c.kind == "" {
		c.kind, c.slots, c.stride = other.kind, other.slots, other.stride
	}
	return c
}

// declare notes what the type of the word that refers to the object says about it.
func (o *object) declare(s slot, ls *layouts) {
	switch s.kind {
	case Pointer, Slice:
		o.kind = Pointer
		if s.elem == nil {
			return // another package's: only what it was told to hold is known
		}
		elem := ls.of(s.elem)
		o.slots = elem.slots
		if s.kind == Slice {
			o.stride = elem.size
		}
	case "":
	default:
		o.kind = s.kind
	}
}
