#!/usr/bin/python3
"""Asks a Facepair server whether two photographs show the same person. Python's standard library only.

usage: examples/verify.py http://127.0.0.1:8080 a.jpg b.jpg
FACEPAIR_KEY is the key, where the server asks for one.
Exits 0 when they do, 3 when they do not, 1 when the server or the photographs did not allow an answer.
"""
import base64
import json
import os
import sys
import urllib.error
import urllib.request


def verify(url, path1, path2):
    """The answer as a dictionary; urllib.error.HTTPError carries a problem otherwise."""
    body = {}
    for field, path in (("image1", path1), ("image2", path2)):
        with open(path, "rb") as file:
            body[field] = base64.b64encode(file.read()).decode("ascii")
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("FACEPAIR_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(
        url.rstrip("/") + "/v1/verify",
        data=json.dumps(body).encode("ascii"),
        headers=headers,
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def print_problem(error):
    """RFC 9457: `errors` lists every fault that was found, such as one for each photograph."""
    if error.headers.get_content_type() != "application/problem+json":
        print(f"HTTP {error.code}: {error.reason}", file=sys.stderr)
        return
    problem = json.load(error)
    for fault in problem.get("errors") or [problem]:
        where = f" ({fault['field']})" if fault.get("field") else ""
        print(f"{fault['code']}{where}: {fault['detail']}", file=sys.stderr)


def main():
    if len(sys.argv) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        answer = verify(*sys.argv[1:])
    except urllib.error.HTTPError as error:
        print_problem(error)
        return 1
    except OSError as error:
        print(f"{sys.argv[1]}: {error}", file=sys.stderr)
        return 1
    same = answer["verified"]
    print(
        f"{'the same person' if same else 'two people'}: "
        f"distance {answer['distance']:.3f}, threshold {answer['threshold']:.3f}"
    )
    return 0 if same else 3


if __name__ == "__main__":
    sys.exit(main())
