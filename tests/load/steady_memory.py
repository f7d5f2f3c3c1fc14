#!/usr/bin/python3
"""Does the server keep what it should give back? Resident size after 1,000 and after 20,000 mixed requests, within 2 %.

usage: tests/load/steady_memory.py [--build build] [--requests 20000]

The mix, from 8 clients at once: pairs as multipart and as JSON, errors of every kind of body, and clients that leave in the
middle of a body or before the answer. Exits 1 when the size has grown by more than 2 %, or a request got a wrong status.
"""
import argparse
import base64
import collections
import concurrent.futures
import http.client
import io
import json
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
import load
from PIL import Image

CLIENTS = 8
WARM, GROWTH_MAX = 1000, 0.02
MULTIPART, JSON = f"multipart/form-data; boundary={load.BOUNDARY}", "application/json"


def small(name, side):
    """A photograph of the examples as a JPEG with a long side of `side` pixels."""
    image = Image.open(load.TREE / "examples" / "photos" / name).convert("RGB")
    image.thumbnail((side, side))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90)
    return out.getvalue()


def requests_of_the_mix():
    """[(weight, name, content type, body, status expected)]; no status: the client leaves before the answer."""
    a, b, c = small("obama.jpg", 400), small("obama2.jpg", 500), small("astronaut.png", 512)
    blank = io.BytesIO()
    Image.new("RGB", (300, 300), (90, 120, 90)).save(blank, "PNG")
    pair = load.multipart([], [("image1", a), ("image2", b)])
    as_json = json.dumps({"image1": base64.b64encode(a).decode(), "image2": base64.b64encode(c).decode()}).encode()
    return [
        (20, "pair", MULTIPART, pair, 200),
        (5, "pair as JSON", JSON, as_json, 200),
        (5, "pair with options", MULTIPART, load.multipart([("max_fmr", "0.01")], [("image1", b), ("image2", c)]), 200),
        (3, "no face", MULTIPART, load.multipart([], [("image1", a), ("image2", blank.getvalue())]), 422),
        (12, "truncated photograph", MULTIPART, load.multipart([], [("image1", a[:900]), ("image2", b[:700])]), 422),
        (12, "missing photograph", MULTIPART, load.multipart([], [("image1", a)]), 400),
        (12, "unknown field", MULTIPART, load.multipart([("max_fnr", "1")], [("image1", a), ("image2", b)]), 400),
        (10, "broken JSON", JSON, as_json[:-2], 400),
        (5, "deep JSON", JSON, b"[" * 10000, 400),
        (5, "wrong type", "text/plain", b"hello", 415),
        (5, "no boundary's end", MULTIPART, pair[:-40], 400),
        (3, "leaves in the body", MULTIPART, pair[: len(pair) // 2], None),
        (3, "leaves before the answer", MULTIPART, pair, None),
    ]


def send(address, request):
    """None when the answer was as expected, else what it was."""
    _, name, content_type, body, expected = request
    connection = http.client.HTTPConnection(address, timeout=60)
    try:
        if expected is None:
            connection.putrequest("POST", "/v1/verify")
            connection.putheader("Content-Type", content_type)
            connection.putheader("Content-Length", str(len(body) + (name == "leaves in the body")))
            connection.endheaders(body)
            return None
        connection.request("POST", "/v1/verify", body, {"Content-Type": content_type})
        status = connection.getresponse().status
        return None if status == expected else f"{name}: {status}, not {expected}"
    except OSError as error:
        return f"{name}: {error}"
    finally:
        connection.close()


def resident_kib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=load.TREE / "build")
    parser.add_argument("--requests", type=int, default=20000)
    options = parser.parse_args()
    mix = requests_of_the_mix()
    plan = random.Random(1).choices(mix, [request[0] for request in mix], k=options.requests)

    faults = collections.Counter()
    with load.facepair(options.build.resolve()) as server, concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        def run(part):
            faults.update(filter(None, pool.map(lambda request: send(server.url[7:], request), part)))
            return resident_kib(server.process.pid)

        early = run(plan[:WARM])
        print(f"after {WARM} requests: {early} KiB resident", flush=True)
        for start in range(WARM, len(plan), (len(plan) - WARM + 3) // 4):
            late = run(plan[start : start + (len(plan) - WARM + 3) // 4])
            print(f"at most {min(len(plan), start + (len(plan) - WARM + 3) // 4)} requests: {late} KiB resident", flush=True)
    growth = late / early - 1
    print(f"growth {growth:+.2%} (at most {GROWTH_MAX:.0%}); {sum(faults.values())} answers not as expected {dict(faults)}")
    return 1 if growth > GROWTH_MAX or faults else 0


sys.exit(main())
