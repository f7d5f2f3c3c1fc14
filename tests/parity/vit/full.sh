#!/bin/sh
# full.py in a virtual environment of its own, kept in the cache.
# usage: tests/parity/vit/full.sh BUILD
set -eu
here=$(dirname -- "$0")
cache=${FACEPAIR_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/facepair}
hash=$(sha256sum "$here/requirements.txt" | cut -c 1-12)
venv=$cache/venv-timm-$hash
if [ ! -e "$venv/ready" ]; then
    echo "PyTorch and timm from PyPI into $venv (about 3 GB to download)"
    /usr/bin/python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    : >"$venv/ready"
fi
exec "$venv/bin/python" "$here/full.py" "$1/facepair" "$1/tests/parity/vit_embed" "$here/../../../examples/photos"
