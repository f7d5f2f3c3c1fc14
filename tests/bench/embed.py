"""Our network against ONNX Runtime on the same weights: runs both in turn and prints the ratio.

    embed.py BENCH_EMBED ONNX_PYTHON DATA_DIRECTORY [--runs N] [--batches 1,8] [--clock wall|cpu]

ONNX_PYTHON is a Python with onnx-requirements.txt installed. One thread each. The figure of a
batch size is the median over the runs, and the ratio that of the medians. First both embed the
same faces, and the run fails when they disagree.
"""

import argparse
import collections
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

PEER = pathlib.Path(__file__).with_name("onnx_peer.py")
ENVIRONMENT = {**os.environ, "OMP_WAIT_POLICY": "passive"}


def run(command):
    return subprocess.run(
        command, check=True, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    ).stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bench_embed")
    parser.add_argument("onnx_python")
    parser.add_argument("data")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--batches", default="1,2,8,16,32")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    arguments = parser.parse_args()

    ours = [arguments.bench_embed, arguments.data]
    peer = [arguments.onnx_python, str(PEER), arguments.data]
    with tempfile.NamedTemporaryFile() as dump:
        run(ours + ["--dump", dump.name])
        print(run(peer + ["--check", dump.name]), end="")

    options = ["--batches", arguments.batches, "--rounds", "5", "--clock", arguments.clock]
    times = collections.defaultdict(lambda: ([], []))
    for _ in range(arguments.runs):
        for side, command in enumerate((ours + ["--json"], peer)):
            for line in run(command + options).splitlines():
                result = json.loads(line)
                times[result["batch"]][side].append(result["ms_a_face"])
    print("batch   facepair  ONNX Runtime  ratio   (ms a face, one thread)")
    for batch, (our_times, peer_times) in sorted(times.items()):
        a, b = statistics.median(our_times), statistics.median(peer_times)
        print(f"{batch:5}   {a:8.2f}  {b:12.2f}  {a / b:5.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
