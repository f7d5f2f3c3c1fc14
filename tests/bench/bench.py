#!/usr/bin/python3
"""The time of each stage, of the whole over HTTP, and their ratios, in interleaved rounds; run it by `make bench`.

Stages are measured by programs of their own, on one core. The whole is POST /v1/verify on the real server, by wrk. The
server without faces (facepair-stub: no decoding, no network) shows what HTTP, queues and threads cost by themselves.
Figures are medians over the rounds; compare ratios, since times move with the machine and its neighbours.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import tempfile

import load

PAIRS = 40
STUB_IMAGE_BYTES = 20_000  # two of them: a body of 40 KB
LONG_SIDE_MIN = 960  # what the server asks the decoder for (FACE_LONG_SIDE)
BENCH = load.TREE / "tests" / "bench"


class Figures:
    """Named values, one or more a round."""

    def __init__(self):
        self.values = {}

    def note(self, name, value):
        self.values.setdefault(name, []).append(value)

    def median(self, name):
        return statistics.median(self.values[name])


def run_lines(*command):
    env = dict(os.environ, OMP_WAIT_POLICY="passive")  # as the server sets it
    return subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE, text=True, env=env).stdout.splitlines()


def number_after(word, line):
    return float(re.search(word + r" +([\d.]+) ms", line)[1])


def measure_decode(figures, programs, images):
    lines = run_lines(programs / "bench_decode", LONG_SIDE_MIN, *images[:5])
    figures.note("decode", statistics.mean(number_after("median", line) for line in lines))


def measure_face(figures, programs, images):
    """The mean, since that is what throughput follows, and the median, since that is what most photographs take."""
    lines = run_lines(programs / "bench_face", load.TREE / "data", *images)
    figures.note("face", statistics.mean(number_after("detect", line) + number_after("align", line) for line in lines[:-1]))
    figures.note("face median", number_after("median", lines[-1]))


def measure_embed(figures, programs, onnx_python):
    """Both networks on one thread, batch 1 and 8, in processor time."""
    options = [load.TREE / "data", "--rounds", "5", "--batches", "1,8", "--clock", "cpu"]
    for line in run_lines(programs / "bench_embed", *options, "--json"):
        answer = json.loads(line)
        figures.note(f"embed {answer['batch']}", answer["ms_a_face"])
    for line in run_lines(onnx_python, BENCH / "onnx_peer.py", *options):
        answer = json.loads(line)
        figures.note(f"onnx {answer['batch']}", answer["ms_a_face"])


def measure_http(figures, name, server, folder, count):
    for clients in (1, 16):
        result = load.wrk(server.url + "/v1/verify", folder, count, clients, 5)
        for what in ("p50", "p99", "rate", "faults"):
            figures.note(f"{name} {clients} {what}", result[what])


def answered(server, pairs):
    """The pairs that are answered 200, as bodies: a photograph without a face would be too quick to count."""
    kept = []
    for pair in pairs:
        body = load.multipart([], [("image1", pair[0]), ("image2", pair[1])])
        if load.post(server.url + "/v1/verify", body)[0] == 200:
            kept.append((pair, body))
    return kept


def report(figures, cores):
    m = figures.median
    pair = 2 * (m("decode") + m("face") + m("embed 8"))
    ceiling = cores * 1000 / pair
    print("\nstage, one core                        ms      against")
    print(f"decode a photograph              {m('decode'):8.2f}")
    print(f"detect, align and cut            {m('face'):8.2f}      median {m('face median'):.2f} ms, asked: at most 6 for 250x250")
    for batch in (1, 8):
        ours, theirs = m(f"embed {batch}"), m(f"onnx {batch}")
        print(f"embed a face, batch {batch}            {ours:8.2f}      ONNX Runtime {theirs:.2f}: {ours / theirs:.2f} of it (asked: at most 1.1)")
    print(f"a pair: 2 x (decode + detect + embed at batch 8) = {pair:.1f} ms; {cores} cores could do {ceiling:.1f} pairs/s")
    print("\nPOST /v1/verify")
    print(f" 1 client:   p50 {m('verify 1 p50'):.1f} ms, p99 {m('verify 1 p99'):.1f} ms, {m('verify 1 rate'):.1f}/s (asked: p50 at most 30 ms)")
    rate = m("verify 16 rate")
    print(f"16 clients:  {rate:.1f}/s, p50 {m('verify 16 p50'):.0f} ms: {rate / ceiling:.2f} of what the cores could do (asked: at least 0.8)")
    print("\nPOST /v1/verify of 40 KB without faces (stub network, stub preparation)")
    print(f" 1 client:   p50 {m('stub 1 p50') * 1000:.0f} us (asked: at most 300), {m('stub 1 rate'):.0f}/s")
    print(f"16 clients:  {m('stub 16 rate'):.0f}/s (asked: at least 10000), p50 {m('stub 16 p50') * 1000:.0f} us")
    faults = sum(sum(values) for name, values in figures.values.items() if name.endswith("faults"))
    print(f"\nanswers that were not 200: {faults}")
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=load.TREE / "build")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    build = options.build.resolve()
    programs = build / "tests" / "bench"
    onnx_python = run_lines(BENCH / "venv.sh", "onnx")[-1] + "/bin/python"
    pairs, what = load.bench_pairs(PAIRS)
    figures, cores = Figures(), len(os.sched_getaffinity(0))
    photograph = b"\xff\xd8\xff" + bytes(STUB_IMAGE_BYTES - 3)

    with load.facepair(build) as real, load.facepair(build, program="tests/facepair-stub") as stub, \
            tempfile.TemporaryDirectory() as folder:
        kept = answered(real, pairs)
        images = sorted({str(image) for pair, _ in kept for image in pair})
        print(f"{len(kept)} {what}; {cores} cores; start to first answer {real.ready_after_s:.2f} s; {options.rounds} rounds", flush=True)
        real_bodies, stub_bodies = pathlib.Path(folder) / "real", pathlib.Path(folder) / "stub"
        load.write_bodies(real_bodies, [body for _, body in kept])
        load.write_bodies(stub_bodies, [load.multipart([], [("image1", photograph), ("image2", photograph)])])
        for _ in range(options.rounds):
            measure_decode(figures, programs, images)
            measure_face(figures, programs, images)
            measure_embed(figures, programs, onnx_python)
            measure_http(figures, "verify", real, real_bodies, len(kept))
            measure_http(figures, "stub", stub, stub_bodies, 1)
    return 1 if report(figures, cores) else 0


raise SystemExit(main())
