#!/bin/sh
# Schemathesis in a virtual environment of its own, pinned by hash, then run.py, which holds the server to openapi.yaml.
# usage: tests/contract/run.sh BUILD [OPTION…]      (options of run.py)
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
build=$1
shift
venv=$("$here/../bench/venv.sh" schemathesis "$here")
exec /usr/bin/python3 "$here/run.py" --build "$build" --schemathesis "$venv/bin/st" "$@"
