package crossing

import (
	"go/types"

	"golang.org/x/tools/go/ssa"
)

// call draws from a call what it does and what it returns.
func (f *function) call(site ssa.CallInstruction) {
	common := site.Common()
	if b, ok := common.Value.(*ssa.Builtin); ok {
		f.builtin(site, b.Name())
		return
	}
	args := make([]set, len(common.Args))
	for i, arg := range common.Args {
		args[i] = f.value(arg)
	}
	var results set
	switch callee := common.StaticCallee(); {
	case common.IsInvoke():
		results = f.invoke(site, args)
	case callee == nil:
		results = new(entries)
		f.each(common.Value, func(l label, _ *step) { merge(results, f.callLabel(site, l, methodName{}, args)) })
	case f.e.isC(callee):
		f.cCall(site, callee)
		results = f.fromC(callee.Signature)
	case f.intrinsic(site, callee):
		return
	default:
		if closure, ok := common.Value.(*ssa.MakeClosure); ok {
			for _, caught := range closure.Bindings {
				args = append(args, f.value(caught))
			}
		}
		results = f.apply(site, callee, args)
	}
	f.result(site, results)
}

func merge(into, from set) {
	for _, it := range from.items() {
		e, way := it.entry, it.way
		into.add(e, way)
	}
}

// result lets the value of a call be what it returns.
func (f *function) result(site ssa.CallInstruction, results set) {
	if v := site.Value(); v != nil {
		for _, it := range results.items() {
			e, way := it.entry, it.way
			f.add(v, e, way)
		}
	}
}

// apply lets a function that is known run, and returns its results, each in its part.
func (f *function) apply(site ssa.Instruction, callee *ssa.Function, args []set) set {
	g := f.e.function(callee)
	if g == nil {
		g = f.e.imports.function(callee)
	}
	if g == nil {
		return nil
	}
	return f.e.bind(f, site, g, args).apply()
}

// resultOfCall marks the symbolic object that stands for the results of a function that the caller hands in.
const resultOfCall = -1

// callLabel lets the function run that a label refers to, or the method of the value in an interface that it refers to.
func (f *function) callLabel(site ssa.Instruction, callee label, method methodName, args []set) set {
	o := callee.obj
	switch {
	case o.symbolic && o.owner == f.fn:
		return f.callSymbol(site, callee, method, args)
	case method.name != "":
		return f.callMethod(site, o, method, args)
	case o.fn != nil:
		return f.apply(site, o.fn, append(args[:len(args):len(args)], o.caught...))
	}
	return nil
}

// callSymbol leaves a call of what the caller hands in to the caller.
func (f *function) callSymbol(site ssa.Instruction, callee label, method methodName, args []set) set {
	key := objectKey{site: site, of: callee.obj}
	result := f.e.object(key, func() *object {
		return &object{symbolic: true, root: resultOfCall, owner: f.fn, depth: callee.obj.depth + 1, name: "result"}
	})
	if result.depth > maxDepth {
		return nil
	}
	f.effect(effect{kind: callEffect, label: callee, result: result, method: method}, nil, site, args)
	call, ok := site.(*ssa.Call)
	if !ok {
		return nil
	}
	results := new(entries)
	for i, t := range components(call.Type()) {
		for _, s := range f.e.layouts.of(t).slots {
			if !s.typeWord {
				place := at(part(i) + s.off)
				if c := result.child(place, s, f.e.layouts); c != nil {
					results.add(entry{place, label{obj: c}}, nil)
				}
			}
		}
	}
	return results
}

// components returns the types of a tuple, or the type itself.
func components(t types.Type) []types.Type {
	tuple, ok := t.(*types.Tuple)
	if !ok {
		return []types.Type{t}
	}
	all := make([]types.Type, tuple.Len())
	for i := range all {
		all[i] = tuple.At(i).Type()
	}
	return all
}

// invoke lets the methods run that a call through an interface may mean: those of the values that are known to be in it,
// or, if none is, those of all types of the package that implement it.
func (f *function) invoke(site ssa.CallInstruction, args []set) set {
	common := site.Common()
	results := new(entries)
	known := false
	for _, it := range f.value(common.Value).items() {
		e, way := it.entry, it.way
		if e.at.meets(at(f.e.layouts.word)) && e.label.obj.kind == Interface {
			known = known || e.label.obj.symbolic || e.label.obj.dyn != nil
			receiver := single(entry{at(0), e.label}, way)
			merge(results, f.callLabel(site, e.label, nameOf(common.Method), append([]set{receiver}, args...)))
		}
	}
	if known {
		return results
	}
	iface, ok := common.Value.Type().Underlying().(*types.Interface)
	if !ok {
		return results
	}
	for _, t := range f.e.concrete {
		if types.Implements(t, iface) {
			if method := f.e.method(t, nameOf(common.Method)); method != nil {
				merge(results, f.apply(site, method, append([]set{nil}, args...)))
			}
		}
	}
	return results
}

// callMethod lets the method run of the value in an interface; its first argument is the interface's data.
func (f *function) callMethod(site ssa.Instruction, o *object, method methodName, args []set) set {
	if o.dyn == nil || types.IsInterface(o.dyn) {
		return nil
	}
	callee := f.e.method(o.dyn, method)
	if callee == nil {
		return nil
	}
	receiver := new(entries)
	for _, c := range o.contents {
		e := c.entry
		receiver.add(e, c.way)
	}
	return f.apply(site, callee, append([]set{receiver}, args[1:]...))
}

// method returns the method that a type has for one of an interface.
func (e *engine) method(t types.Type, method methodName) *ssa.Function {
	selection := e.pkg.Prog.MethodSets.MethodSet(t).Lookup(method.pkg, method.name)
	if selection == nil {
		return nil
	}
	return e.pkg.Prog.MethodValue(selection)
}

// closure makes a function value that has caught variables. It may run at any time: where is not always seen.
func (f *function) closure(i *ssa.MakeClosure) {
	fn := i.Fn.(*ssa.Function)
	o := f.e.object(objectKey{site: i}, func() *object {
		return &object{kind: Func, name: fn.Name(), pos: position(i), fn: fn, owner: f.fn, caught: make([]set, len(i.Bindings))}
	})
	for n, v := range i.Bindings {
		if o.caught[n] == nil {
			o.caught[n] = new(entries)
		}
		for _, it := range f.value(v).items() {
			e, way := it.entry, it.way
			if o.caught[n].add(e, way) {
				f.e.changed = true
			}
		}
	}
	f.add(i, entry{at(0), label{obj: o}}, (*step)(nil).then(o.pos, f.e.birth(o)))
	if !onlyCalled(i) {
		f.apply(i, fn, append(make([]set, len(fn.Params)), o.caught...))
	}
}

// onlyCalled reports whether a closure is called where it is made, and not kept.
func onlyCalled(i *ssa.MakeClosure) bool {
	for _, user := range *i.Referrers() {
		call, ok := user.(ssa.CallInstruction)
		if !ok || call.Common().Value != i {
			return false
		}
	}
	return true
}

// builtin draws from the call of a builtin function what it does.
func (f *function) builtin(site ssa.CallInstruction, name string) {
	args := site.Common().Args
	v := site.Value()
	switch name {
	case "append":
		f.appends(site, v, args)
	case "copy":
		f.copies(site, args[0], args[1])
	case "recover":
		if v != nil {
			f.e.load(label{obj: f.e.panics}, v.Type(), site, nil, func(e entry, way *step) {
				f.add(v, e, way.then(v.Pos(), "recovered"))
			})
		}
	case "Add":
		if v != nil {
			f.displace(v, args[0], args[1], false)
		}
	case "SliceData", "StringData", "String", "Slice", "min", "max", "ssa:wrapnilchk":
		if v != nil {
			for _, arg := range args {
				f.flow(v, arg)
			}
		}
	}
}

func (f *function) appends(site ssa.CallInstruction, v ssa.Value, args []ssa.Value) {
	if v == nil || len(args) < 2 || isString(args[1].Type()) {
		return
	}
	f.flow(v, args[0])
	f.make(v, slot{kind: Slice, elem: elementOf(v.Type())})
	f.copies(site, v, args[1])
}

// copies lets the elements of one slice be those of another.
func (f *function) copies(site ssa.Instruction, to, from ssa.Value) {
	elem := offset{0, f.e.layouts.of(elementOf(to.Type())).size}
	f.each(to, func(target label, _ *step) {
		f.each(from, func(source label, way *step) {
			f.e.copyMemory(f, site, target.shift(elem), source, way.then(site.Pos(), "copied"))
		})
	})
}
