# Sourced by the scripts beside it: where things are, and how to speak.
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cache=${FACEPAIR_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/facepair}
libtorch=$cache/libtorch-2.15.0
python=/usr/bin/python3 # Debian's own, whatever else stands first on PATH

say() {
    printf 'setup: %s\n' "$*"
}

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

# column REQUIREMENT N: the N-th column of the line of downloads.txt that begins with REQUIREMENT
column() {
    awk -v name="$1" -v n="$2" '$1 == name { print $n }' "$here/downloads.txt"
}

# has_hash FILE SHA256: whether the file exists and is exactly that
has_hash() {
    [ -f "$1" ] && printf '%s  %s\n' "$2" "$1" | sha256sum --check --status
}
