#!/bin/sh
# Put what the analyzer imports of golang.org/x/tools beside it, for every release of x/tools that it is built with
# (pytest_cgosafe/crossings/xtools/RELEASE/go.mod). To be run when the analyzer imports a package it did not import before.
set -eu
crossings=$(cd "$(dirname "$0")/../pytest_cgosafe/crossings" && pwd)
export GOFLAGS=-mod=mod GOWORK=off GO111MODULE=on
for module in "$crossings"/xtools/*/; do
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    (cd "$crossings/analyzer" && find . -name '*.go' ! -name '*_test.go' ! -path '*/testdata/*' -exec cp --parents {} "$work" \;)
    cp "$module/go.mod" "$work"
    [ ! -f "$module/go.sum" ] || cp "$module/go.sum" "$work"
    (cd "$work" && go mod tidy && go mod vendor)
    rm -rf "$module/vendor"
    cp -R "$work/vendor" "$work/go.mod" "$work/go.sum" "$module"
    rm -rf "$work"
done
