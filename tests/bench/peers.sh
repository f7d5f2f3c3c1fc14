#!/bin/sh
# `make bench-peers`: DeepFace's own HTTP API in a virtual environment of its own, then peers.py, which compares.
# usage: tests/bench/peers.sh BUILD
# DeepFace finds dlib's own weights, as set-up has brought them, in its weights folder and so fetches nothing.
set -eu
bench=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
venv=$("$bench/venv.sh" deepface)
weights=$venv/home/.deepface/weights
mkdir -p "$weights"
cp "$(dirname -- "$venv")"/weights/*.dat "$weights"
exec /usr/bin/python3 "$bench/peers.py" --build "$1" --peer "$venv"
