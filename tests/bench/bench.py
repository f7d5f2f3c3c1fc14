#!/usr/bin/python3
"""The time of each stage, of the whole over HTTP, and their ratios, in interleaved rounds; run it by `make bench`.

Stages are measured by programs of their own, on one core. The whole is POST /v1/verify on the real server, by wrk. The
server without faces (facepair-stub: no decoding, no network, chips of 16x16) shows what HTTP, queues and threads cost
by themselves; `--only-stub` measures it alone.
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


EMBED_OPTIONS = [load.TREE / "data", "--rounds", "5", "--batches", "1,8", "--clock", "cpu"]


def measure_embed(figures, name, *command):
    """One network on one thread, batch 1 and 8, in processor time."""
    for line in run_lines(*command, *EMBED_OPTIONS):
        answer = json.loads(line)
        figures.note(f"{name} {answer['batch']}", answer["ms_a_face"])


def measure_stages(figures, programs, images):
    measure_decode(figures, programs, images)
    measure_face(figures, programs, images)
    measure_embed(figures, "embed", programs / "bench_embed", "--json")


def pair_ms(figures, rounds):
    """Processor time of a pair by the last `rounds` measurements of the stages."""
    recent = [statistics.mean(figures.values[name][-rounds:]) for name in ("decode", "face", "embed 8")]
    return 2 * sum(recent)


def measure_round(figures, programs, images, onnx_python, measure_whole, cores):
    """Stages before and after the whole, and the share from these alone: within a minute a virtual machine's speed moves
    by a third."""
    measure_stages(figures, programs, images)
    measure_embed(figures, "onnx", onnx_python, BENCH / "onnx_peer.py")
    measure_whole()
    measure_stages(figures, programs, images)
    figures.note("share", figures.values["verify 16 rate"][-1] * pair_ms(figures, 2) / 1000 / cores)


def measure_http(figures, name, server, folder, count):
    for clients in (1, 16):
        before = server.cpu_s()
        result = load.wrk(server.url + "/v1/verify", folder, count, clients, 5)
        figures.note(f"{name} {clients} cpu", (server.cpu_s() - before) * 1e6 / max(1, result["answers"]))
        for what in ("p50", "p99", "rate", "faults"):
            figures.note(f"{name} {clients} {what}", result[what])


def stub_server(build, folder):
    return load.facepair(build, "tests/facepair-stub", load.small_model(pathlib.Path(folder) / "data"))


def bench_stub(build, rounds):
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder, stub_server(build, folder) as stub:
        bodies = load.write_stub_body(folder)
        for _ in range(rounds):
            measure_http(figures, "stub", stub, bodies, 1)
    return report_stub(figures)


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
    print("\nstage, one core                        ms      against")
    print(f"decode a photograph              {m('decode'):8.2f}")
    print(f"detect, align and cut            {m('face'):8.2f}      median {m('face median'):.2f} ms, asked: at most 6 for 250x250")
    for batch in (1, 8):
        ours, theirs = m(f"embed {batch}"), m(f"onnx {batch}")
        print(f"embed a face, batch {batch}            {ours:8.2f}      ONNX Runtime {theirs:.2f}: {ours / theirs:.2f} of it (asked: at most 1.1)")
    print(f"a pair: 2 x (decode + detect + embed at batch 8) = {pair:.1f} ms; {cores} cores could do {cores * 1000 / pair:.1f} pairs/s")
    print("\nPOST /v1/verify")
    print(f" 1 client:   p50 {m('verify 1 p50'):.1f} ms, p99 {m('verify 1 p99'):.1f} ms, {m('verify 1 rate'):.1f}/s (asked: p50 at most 30 ms)")
    print(f"16 clients:  {m('verify 16 rate'):.1f}/s, p50 {m('verify 16 p50'):.0f} ms: {m('share'):.2f} of what the cores could do by "
          "the stages just before and after (asked: at least 0.8)")
    return report_stub(figures)


def report_stub(figures):
    m = figures.median
    print("\nPOST /v1/verify of 40 KB without faces (stub network, stub preparation)")
    print(f" 1 client:   p50 {m('stub 1 p50') * 1000:.0f} us (asked: at most 300), {m('stub 1 rate'):.0f}/s, "
          f"{m('stub 1 cpu'):.0f} us of processor time a request")
    print(f"16 clients:  {m('stub 16 rate'):.0f}/s (asked: at least 10000), p50 {m('stub 16 p50') * 1000:.0f} us, "
          f"{m('stub 16 cpu'):.0f} us of processor time a request")
    faults = sum(sum(values) for name, values in figures.values.items() if name.endswith("faults"))
    print(f"\nanswers that were not 200: {faults}")
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=load.TREE / "build")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only-stub", action="store_true", help="the server without faces alone")
    options = parser.parse_args()
    build = options.build.resolve()
    print(f"load of this machine before: {os.getloadavg()[0]:.1f}")
    if options.only_stub:
        return 1 if bench_stub(build, options.rounds) else 0
    programs = build / "tests" / "bench"
    onnx_python = run_lines(BENCH / "venv.sh", "onnx")[-1] + "/bin/python"
    pairs, what = load.bench_pairs(PAIRS)
    figures, cores = Figures(), len(os.sched_getaffinity(0))

    with tempfile.TemporaryDirectory() as folder, load.facepair(build) as real, stub_server(build, folder) as stub:
        kept = answered(real, pairs)
        images = sorted({str(image) for pair, _ in kept for image in pair})
        print(f"{len(kept)} {what}; {cores} cores; start to first answer {real.ready_after_s:.2f} s; {options.rounds} rounds", flush=True)
        real_bodies = pathlib.Path(folder) / "real"
        load.write_bodies(real_bodies, [body for _, body in kept])
        stub_bodies = load.write_stub_body(folder)
        for _ in range(options.rounds):
            measure_round(figures, programs, images, onnx_python,
                          lambda: measure_http(figures, "verify", real, real_bodies, len(kept)), cores)
            measure_http(figures, "stub", stub, stub_bodies, 1)
    return 1 if report(figures, cores) else 0


raise SystemExit(main())
