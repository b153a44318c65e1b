package inventory

import (
	"go/token"
	"go/types"
	"path/filepath"
	"regexp"
	"strings"
)

// cgoName matches the identifiers that cgo makes of C names in types.
var cgoName = regexp.MustCompile(`\b_Ctype_(\w+)`)

// isGotypes tells whether pos lies in the file of cgo's own declarations (cmd/cgo/out.go, Go 1.21 to 1.27).
func isGotypes(fset *token.FileSet, pos token.Pos) bool {
	return filepath.Base(fset.PositionFor(pos, false).Filename) == "_cgo_gotypes.go"
}

// cFunction is the C name of a function that cgo declared, and "" for any other.
func cFunction(fset *token.FileSet, object types.Object) string {
	if object == nil || !isGotypes(fset, object.Pos()) {
		return ""
	}
	for _, prefix := range []string{"_Cfunc_", "_C2func_"} {
		if name, ok := strings.CutPrefix(object.Name(), prefix); ok {
			if name == "_CMalloc" {
				return "malloc"
			}
			return name
		}
	}
	return ""
}

// anonymous matches the names that cgo gives to structs, unions and enums that have none.
var anonymous = regexp.MustCompile(`\bC\.(struct|union|enum)___\d+\b`)

// typeName writes a type as the program's own source has it: C.int, not main._Ctype_int.
func typeName(t types.Type, pkg *types.Package) string {
	if t == nil {
		return ""
	}
	if basic, ok := t.(*types.Basic); ok && basic.Kind() == types.UntypedNil {
		return "nil"
	}
	name := types.TypeString(types.Default(t), func(other *types.Package) string {
		if other == pkg {
			return ""
		}
		return other.Name()
	})
	name = cgoName.ReplaceAllString(name, "C.$1")
	return anonymous.ReplaceAllStringFunc(name, func(match string) string {
		return "C." + typedefOf("_Ctype_"+strings.TrimPrefix(match, "C."), pkg)
	})
}

// typedefOf is the C name by which a type without a name of its own is known.
func typedefOf(name string, pkg *types.Package) string {
	object := pkg.Scope().Lookup(name)
	for _, other := range pkg.Scope().Names() {
		alias, ok := pkg.Scope().Lookup(other).(*types.TypeName)
		if ok && object != nil && other != name && types.Identical(alias.Type(), object.Type()) {
			return strings.TrimPrefix(other, "_Ctype_")
		}
	}
	return strings.TrimPrefix(name, "_Ctype_")
}
