#!/bin/sh
# Asks a Facepair server whether two photographs show the same person, with curl alone.
# usage: examples/verify.sh http://127.0.0.1:8080 a.jpg b.jpg
# FACEPAIR_KEY is the key, where the server asks for one.
# Exits 0 when they do, 3 when they do not, 1 when the server or the photographs did not allow an answer.
set -eu

if [ $# -ne 3 ]; then
    echo "usage: $0 URL IMAGE1 IMAGE2" >&2
    exit 2
fi

# curl prints the body, then the status on a line of its own. The key comes by stdin: everybody sees a command's arguments.
config=${FACEPAIR_KEY:+header = \"Authorization: Bearer $FACEPAIR_KEY\"}
answer=$(printf '%s\n' "$config" | curl --config - --silent --show-error --max-time 30 -F "image1=@$2" -F "image2=@$3" \
    --write-out '\n%{http_code}' "${1%/}/v1/verify") || exit 1
status=${answer##*
}
body=${answer%
*}

if [ "$status" != 200 ]; then
    # application/problem+json (RFC 9457): `code` is for programs, `detail` tells a person what to do.
    echo "HTTP $status: $body" >&2
    exit 1
fi
echo "$body"
# The answer begins with the decision. A program that needs more of it should read it as JSON.
case $body in
*'"verified":true'* | *'"verified": true'*) exit 0 ;;
*) exit 3 ;;
esac
