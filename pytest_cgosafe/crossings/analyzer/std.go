package main

import (
	"encoding/json"
	"os"
	"strings"
)

// A unit is what this program needs of the file by which the go command describes one package to a vet tool
// (cmd/go/internal/work/exec.go, vetConfig).
type unit struct {
	ImportPath string
	ModulePath string
	VetxOnly   bool
	VetxOutput string
}

// skip ends at once for a package of the standard library that is only asked for its facts: it has none that matter, but for
// the containers. Such packages are most of what the go command runs a vet tool on.
func skip(args []string) bool {
	if len(args) == 0 || !strings.HasSuffix(args[len(args)-1], ".cfg") {
		return false
	}
	data, err := os.ReadFile(args[len(args)-1])
	if err != nil {
		return false
	}
	var u unit
	if json.Unmarshal(data, &u) != nil || !u.VetxOnly || u.ModulePath != "" {
		return false
	}
	first, _, _ := strings.Cut(u.ImportPath, "/")
	if strings.Contains(first, ".") || first == "container" {
		return false
	}
	return os.WriteFile(u.VetxOutput, nil, 0o666) == nil
}
