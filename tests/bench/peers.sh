#!/bin/sh
# `make bench-peers`: DeepFace's own HTTP API in a virtual environment of its own, then peers.py, which compares.
# usage: tests/bench/peers.sh BUILD
# Pinned wheels (deepface-requirements.txt), and dlib's own weights as set-up has brought them: DeepFace then fetches nothing.
set -eu
bench=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cache=${FACEPAIR_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/facepair}
requirements=$bench/deepface-requirements.txt
peer=$cache/deepface-0.0.103

if ! cmp -s "$requirements" "$peer/stamp"; then
    echo "bench-peers: installing DeepFace 0.0.103 in $peer (about 150 MB from PyPI, 500 MB on disk)"
    dpkg-query -W python3-venv >/dev/null 2>&1 || "$bench/../../setup/packages" peers
    rm -rf "$peer"
    /usr/bin/python3 -m venv "$peer/venv"
    "$peer/venv/bin/pip" --disable-pip-version-check --quiet install --no-deps --only-binary=:all: --require-hashes \
        --requirement "$requirements"
    mkdir -p "$peer/home/.deepface/weights"
    cp "$cache"/weights/*.dat "$peer/home/.deepface/weights"
    cp "$requirements" "$peer/stamp"
fi
exec /usr/bin/python3 "$bench/peers.py" --build "$1" --peer "$peer"
