package crossing

import (
	"fmt"
	"go/ast"
	"go/token"
	"strings"

	"golang.org/x/tools/go/analysis"
)

const ignorePrefix = "//cgosafe:ignore"

// An ignore is a comment that silences rules on a line.
type ignore struct {
	pos   token.Pos
	rules []string
	used  bool
}

type fileLine struct {
	file string
	line int
}

// ignores are a package's ignore comments that give a reason, by the line that they are for.
type ignores struct {
	fset    *token.FileSet
	byLine  map[fileLine][]*ignore
	faulty  []analysis.Diagnostic
	ordered []*ignore
}

func newIgnores(pass *analysis.Pass) *ignores {
	is := &ignores{fset: pass.Fset, byLine: make(map[fileLine][]*ignore)}
	for _, file := range pass.Files {
		var code map[fileLine]bool
		for _, group := range file.Comments {
			for _, comment := range group.List {
				if !strings.HasPrefix(comment.Text, ignorePrefix) {
					continue
				}
				if code == nil {
					code = is.codeLines(file)
				}
				is.read(comment, code)
			}
		}
	}
	return is
}

// codeLines returns the lines on which code of a file begins.
func (is *ignores) codeLines(file *ast.File) map[fileLine]bool {
	lines := make(map[fileLine]bool)
	ast.Inspect(file, func(n ast.Node) bool {
		switch n.(type) {
		case nil, *ast.File, *ast.Comment, *ast.CommentGroup:
			return true
		}
		lines[is.line(n.Pos())] = true
		return true
	})
	return lines
}

func (is *ignores) line(pos token.Pos) fileLine {
	p := is.fset.Position(pos)
	return fileLine{p.Filename, p.Line}
}

// read notes a comment: "//cgosafe:ignore RULE[,RULE] reason".
func (is *ignores) read(comment *ast.Comment, code map[fileLine]bool) {
	text := strings.TrimPrefix(comment.Text, ignorePrefix)
	words := strings.Fields(text)
	if text != "" && text[0] != ' ' && text[0] != '\t' {
		return // another directive
	}
	if len(words) < 2 || !strings.HasPrefix(words[0], "CGS") {
		is.faulty = append(is.faulty, analysis.Diagnostic{
			Pos:      comment.Pos(),
			Category: "CGS090//",
			Message:  "ignore comment without a rule and a reason silences nothing",
		})
		return
	}
	line := is.line(comment.Pos())
	if !code[line] {
		line.line++
	}
	i := &ignore{pos: comment.Pos(), rules: strings.Split(words[0], ",")}
	is.byLine[line] = append(is.byLine[line], i)
	is.ordered = append(is.ordered, i)
}

// silences reports whether a rule is silenced at pos.
func (is *ignores) silences(rule string, pos token.Pos) bool {
	found := false
	for _, i := range is.byLine[is.line(pos)] {
		for _, r := range i.rules {
			if r == rule {
				i.used, found = true, true
			}
		}
	}
	return found
}

// diagnostics returns what is wrong with the comments themselves, after all findings were asked for.
func (is *ignores) diagnostics() []analysis.Diagnostic {
	all := is.faulty
	for _, i := range is.ordered {
		if !i.used {
			all = append(all, analysis.Diagnostic{
				Pos:      i.pos,
				Category: "CGS091//",
				Message:  fmt.Sprintf("ignore comment for %s silences nothing", strings.Join(i.rules, ", ")),
			})
		}
	}
	return all
}
