package crossing

import (
	"go/types"
	"strings"

	"golang.org/x/tools/go/ssa"
)

// A model says what a function of the standard library does whose body is not looked at.
type model func(f *function, site ssa.CallInstruction, args []ssa.Value)

// models are the functions that hand on what they are given, by package and, for methods, type. All others of the standard
// library are taken to return nothing of what they are given: fmt, strconv and the like make new values.
var models = map[string]model{
	"runtime.Pinner.Pin":   pins,
	"runtime.Pinner.Unpin": unpins,

	"sync/atomic.Load":           loads,
	"sync/atomic.Store":          stores,
	"sync/atomic.Swap":           swaps,
	"sync/atomic.CompareAndSwap": exchanges,
	"sync/atomic.Add":            swaps,
	"sync.Map.Load":              loadsHeld,
	"sync.Map.Store":             storesPair,
	"sync.Map.LoadOrStore":       storesAndLoads,
	"sync.Map.LoadAndDelete":     loadsHeld,
	"sync.Map.Swap":              storesAndLoads,
	"sync.Map.Range":             ranges,
	"sync.Pool.Put":              storesHeld,
	"sync.Pool.Get":              getsFromPool,
	"sync.Once.Do":               callsLast,
	"sync.OnceFunc":              hands,
	"sync.OnceValue":             hands,
	"sync.OnceValues":            hands,
	"time.AfterFunc":             callsLast,
	"slices.Clone":               hands,
	"slices.Insert":              hands,
	"slices.Concat":              hands,
	"slices.Grow":                hands,
	"slices.Clip":                hands,
	"slices.Values":              hands,
	"slices.Collect":             hands,
	"maps.Clone":                 hands,
	"maps.Keys":                  hands,
	"maps.Values":                hands,
	"runtime.SetFinalizer":       callsLastWithFirst,

	"encoding/binary.littleEndian.PutUint64": putsWord,
	"encoding/binary.bigEndian.PutUint64":    putsWord,
	"encoding/binary.nativeEndian.PutUint64": putsWord,
	"encoding/binary.littleEndian.Uint64":    getsWord,
	"encoding/binary.bigEndian.Uint64":       getsWord,
	"encoding/binary.nativeEndian.Uint64":    getsWord,

	"reflect.ValueOf":             reflectValueOf,
	"reflect.Indirect":            reflectElem,
	"reflect.Value.Elem":          reflectElem,
	"reflect.Value.Pointer":       reflectWord,
	"reflect.Value.UnsafePointer": reflectWord,
	"reflect.Value.Uint":          reflectWord,
	"reflect.Value.Int":           reflectWord,
	"reflect.Value.UnsafeAddr":    reflectAddress,
	"reflect.Value.Addr":          reflectAddress,
	"reflect.Value.Field":         reflectField,
	"reflect.Value.FieldByName":   reflectField,
	"reflect.Value.Index":         reflectField,
	"reflect.Value.MapIndex":      reflectMapIndex,
	"reflect.Value.Convert":       hands,
	"reflect.Value.Interface":     reflectInterface,
	"reflect.NewAt":               reflectNewAt,
}

// modelName returns the name under which models has a function: with its type's name for a method, and for sync/atomic without
// the name of the type that it is for.
func modelName(callee *ssa.Function) string {
	obj, ok := callee.Object().(*types.Func)
	if !ok || obj.Pkg() == nil {
		return ""
	}
	name := obj.Name()
	path := obj.Pkg().Path()
	if path == "sync/atomic" {
		for _, verb := range []string{"Load", "Store", "Swap", "CompareAndSwap", "Add"} {
			if strings.HasPrefix(name, verb) {
				return path + "." + verb
			}
		}
	}
	recv := obj.Type().(*types.Signature).Recv()
	if recv == nil {
		return path + "." + name
	}
	t := recv.Type()
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	if named, ok := t.(*types.Named); ok {
		return path + "." + named.Obj().Name() + "." + name
	}
	return ""
}

// intrinsic lets a function of the standard library run that models has, and reports whether it has it.
func (f *function) intrinsic(site ssa.CallInstruction, callee *ssa.Function) bool {
	if len(callee.Blocks) > 0 && callee.Pkg == f.e.pkg {
		return false
	}
	m, ok := models[modelName(callee)]
	if ok {
		m(f, site, site.Common().Args)
	}
	return ok
}

// hands returns what it is given.
func hands(f *function, site ssa.CallInstruction, args []ssa.Value) {
	if v := site.Value(); v != nil {
		for _, arg := range args {
			f.flow(v, arg)
		}
	}
}

// loads returns what its first argument points to.
func loads(f *function, site ssa.CallInstruction, args []ssa.Value) {
	if v := site.Value(); v != nil {
		f.loadFrom(v, args[0], at(0), 0, components(v.Type())[0], "")
	}
}

// stores stores its second argument where the first points to.
func stores(f *function, site ssa.CallInstruction, args []ssa.Value) {
	f.each(args[0], func(l label, _ *step) { f.storeTo(site, l, args[1], "") })
}

// kept is where an object of the library is said to have what was put into it, apart from its own fields.
const kept = int64(1) << 34

func loadsHeld(f *function, site ssa.CallInstruction, args []ssa.Value) {
	if v := site.Value(); v != nil {
		f.loadFrom(v, args[0], at(kept), 0, components(v.Type())[0], "taken out again")
	}
}

func storesHeld(f *function, site ssa.CallInstruction, args []ssa.Value) {
	f.each(args[0], func(l label, _ *step) {
		for _, arg := range args[1:] {
			f.storeTo(site, l.shift(at(kept)), arg, "")
		}
	})
}

// getsFromPool returns what was put into a sync.Pool, or what its function New returns.
func getsFromPool(f *function, site ssa.CallInstruction, args []ssa.Value) {
	loadsHeld(f, site, args)
	pool, ok := args[0].Type().Underlying().(*types.Pointer)
	if !ok {
		return
	}
	fields := pool.Elem().Underlying().(*types.Struct)
	for i := 0; i < fields.NumFields(); i++ {
		if fields.Field(i).Name() != "New" {
			continue
		}
		off, typ := f.e.layouts.field(pool.Elem(), i)
		f.each(args[0], func(l label, way *step) {
			f.e.load(l.shift(at(off)), typ, site, way, func(e entry, _ *step) {
				f.result(site, f.callLabel(site, e.label, methodName{}, nil))
			})
		})
	}
}

func swaps(f *function, site ssa.CallInstruction, args []ssa.Value) {
	stores(f, site, args)
	loads(f, site, args)
}

func exchanges(f *function, site ssa.CallInstruction, args []ssa.Value) {
	stores(f, site, []ssa.Value{args[0], args[2]})
}

// storesPair stores the key and value of a sync.Map.
func storesPair(f *function, site ssa.CallInstruction, args []ssa.Value) {
	f.each(args[0], func(l label, _ *step) {
		f.storeTo(site, l.shift(at(kept)), args[2], "put into a map")
		f.storeTo(site, l.shift(at(kept+keys)), args[1], "put into a map")
	})
}

func storesAndLoads(f *function, site ssa.CallInstruction, args []ssa.Value) {
	storesPair(f, site, args)
	loadsHeld(f, site, args)
}

// ranges calls a function with the keys and values of a sync.Map.
func ranges(f *function, site ssa.CallInstruction, args []ssa.Value) {
	any := types.NewInterfaceType(nil, nil)
	held := []set{new(entries), new(entries)}
	f.each(args[0], func(l label, way *step) {
		for i, place := range []int64{kept + keys, kept} {
			f.e.load(l.shift(at(place)), any, site, way, func(e entry, way *step) { held[i].add(e, way) })
		}
	})
	f.each(args[1], func(l label, _ *step) { f.callLabel(site, l, methodName{}, held) })
}

// callsLast calls its last argument, a function without parameters.
func callsLast(f *function, site ssa.CallInstruction, args []ssa.Value) {
	f.each(args[len(args)-1], func(l label, _ *step) { f.callLabel(site, l, methodName{}, nil) })
}

// callsLastWithFirst calls a finalizer; both are in interfaces.
func callsLastWithFirst(f *function, site ssa.CallInstruction, args []ssa.Value) {
	object := f.unboxed(args[0], site)
	for _, it := range f.unboxed(args[1], site).items() {
		e := it.entry
		f.callLabel(site, e.label, methodName{}, []set{object})
	}
}

// putsWord and getsWord are the methods of a byte order, which is their first argument.
func putsWord(f *function, site ssa.CallInstruction, args []ssa.Value) { stores(f, site, args[1:]) }

func getsWord(f *function, site ssa.CallInstruction, args []ssa.Value) {
	if v := site.Value(); v != nil {
		f.loadFrom(v, args[1], at(0), 0, v.Type(), "")
	}
}

// pins pins what is in the interface that it is given.
func pins(f *function, site ssa.CallInstruction, args []ssa.Value) {
	for _, it := range f.unboxed(args[1], site).items() {
		e := it.entry
		f.each(args[0], func(pinner label, _ *step) { f.e.pin(f, site, e.label, pinner.obj, false) })
		if len(f.value(args[0]).items()) == 0 {
			f.e.pin(f, site, e.label, nil, false)
		}
	}
}

func unpins(f *function, site ssa.CallInstruction, args []ssa.Value) {
	f.each(args[0], func(l label, _ *step) { f.e.pin(f, site, l, l.obj, true) })
}

// unboxed returns what the interfaces that a value may be hold, each at its begin.
func (f *function) unboxed(v ssa.Value, site ssa.Instruction) set {
	found := new(entries)
	for _, it := range f.value(v).items() {
		e, way := it.entry, it.way
		f.e.load(e.label, types.Typ[types.UnsafePointer], site, way, func(e entry, way *step) { found.add(e, way) })
	}
	return found
}
