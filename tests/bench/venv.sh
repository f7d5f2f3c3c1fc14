#!/bin/sh
# Makes a virtual environment in the cache from NAME-requirements.txt, pinned by hash, unless it is there; prints its folder.
# usage: tests/bench/venv.sh NAME [FOLDER]      (deepface or onnx; in another FOLDER than this one: schemathesis)
# What it says goes to stderr.
set -eu
bench=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
requirements=${2-$bench}/$1-requirements.txt
venv=${FACEPAIR_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/facepair}/venv-$1

if ! cmp -s "$requirements" "$venv/stamp"; then
    echo "installing $1 and what it needs from PyPI in $venv" >&2
    "$bench/../../setup/packages" peers >&2
    rm -rf "$venv"
    /usr/bin/python3 -m venv "$venv"
    "$venv/bin/pip" --disable-pip-version-check --quiet install --no-deps --only-binary=:all: --require-hashes \
        --requirement "$requirements" >&2
    cp "$requirements" "$venv/stamp"
fi
echo "$venv"
