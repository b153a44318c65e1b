package inventory

import (
	"go/types"
	"strconv"
	"strings"

	"golang.org/x/tools/go/ssa"
)

func set(names string) map[string]bool {
	all := map[string]bool{}
	for _, name := range strings.Fields(names) {
		all[name] = true
	}
	return all
}

// The C functions whose behavior is known: of cgo, and of the C and POSIX libraries (their manual pages).
var (
	allocates = set("CString CBytes malloc calloc realloc reallocarray aligned_alloc memalign valloc strdup strndup")
	frees     = set("free cfree realloc reallocarray")
	// keepsNothing are those that get pointers and have forgotten them when they return. putenv is not one of them.
	keepsNothing = set(`GoString GoStringN GoBytes free realloc reallocarray
		printf fprintf sprintf snprintf puts fputs fputc putchar fwrite fread fgets perror fflush
		strlen strnlen strcmp strncmp strcasecmp strncasecmp strdup strndup strcoll strspn strcspn
		memcmp bcmp bzero memset atoi atol atoll atof strtol strtoul strtoll strtoull strtod strtof
		fopen freopen open creat access stat lstat chmod chown mkdir rmdir unlink remove rename link symlink readlink
		chdir chroot opendir system execv execve execvp getenv setenv unsetenv dlopen dlsym
		getaddrinfo gethostbyname inet_addr inet_aton inet_pton getpwnam getgrnam getpwnam_r getgrnam_r
		if_nametoindex syslog read write send recv mkfifo mknod truncate statvfs setlocale`)
)

// harmless tells whether a function of another package is known to keep nothing that it is given: those of the standard
// library but for the few that exist to keep things.
func harmless(fn *ssa.Function) bool {
	if fn.Pkg == nil && fn.Object() == nil {
		return false
	}
	pkg := packageOf(fn)
	if pkg == nil || strings.Contains(strings.SplitN(pkg.Path(), "/", 2)[0], ".") {
		return false
	}
	switch pkg.Path() {
	case "fmt", "log", "log/slog", "os", "errors", "strings", "bytes", "strconv", "time", "unsafe", "testing", "io", "math":
		return fn.Name() != "Cleanup"
	case "runtime":
		return fn.Name() == "KeepAlive" || fn.Name() == "Goexit"
	}
	return false
}

// noReturn tells whether a function ends the program, the goroutine or the test.
func noReturn(fn *ssa.Function) bool {
	pkg, name := packageOf(fn), fn.Name()
	if pkg == nil {
		return false
	}
	switch pkg.Path() {
	case "os":
		return name == "Exit"
	case "runtime":
		return name == "Goexit"
	case "log":
		return strings.HasPrefix(name, "Fatal") || strings.HasPrefix(name, "Panic")
	case "testing":
		return strings.HasPrefix(name, "Fatal") || strings.HasPrefix(name, "Skip") && name != "Skipped" || name == "FailNow"
	}
	return false
}

func packageOf(fn *ssa.Function) *types.Package {
	if fn.Object() != nil {
		return fn.Object().Pkg()
	}
	if fn.Pkg != nil {
		return fn.Pkg.Pkg
	}
	return nil
}

// shortName is a function's name within its package; a closure goes by the function that it stands in.
func shortName(fn *ssa.Function, pkg *types.Package) string {
	if fn.Parent() != nil {
		return "a function literal"
	}
	return fn.RelString(pkg)
}

// declared is the named function that a function literal stands in.
func declared(fn *ssa.Function) *ssa.Function {
	for fn.Parent() != nil {
		fn = fn.Parent()
	}
	return fn
}

func isError(t types.Type) bool {
	return types.Identical(t, types.Universe.Lookup("error").Type())
}

func slicesContain(all []string, one string) bool {
	for _, text := range all {
		if text == one {
			return true
		}
	}
	return false
}

func itoa(n int) string { return strconv.Itoa(n) }
