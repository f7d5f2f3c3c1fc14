#!/usr/bin/env python3
"""What the sandbox costs: the stub service confined and not, side by side, under the same posts in turn.

    tests/bench/confined.py --build build [--rounds 40] [--seconds 2]

Both run all the time; wrk posts to one, then to the other, and the order changes with each round, so that the machine's own
ups and downs meet both. Printed: the median over the rounds of confined ÷ open, of answers a second and of processor time an
answer, with the interval that 95 % of resampled rounds give. Exit code 1 where the whole interval of the processor time lies
above 1.01. Connections last for a round, so system calls are the requests' own.
"""
import argparse
import pathlib
import random
import statistics
import sys
import tempfile

import load

CLIENTS, COST_MAX = 16, 1.01


def measure(server, bodies, seconds):
    before = server.cpu_s()
    result = load.wrk(server.url + "/v1/verify", bodies, 1, CLIENTS, seconds)
    if result["faults"]:
        raise SystemExit(f"{result['faults']} answers were faults")
    return result["rate"], (server.cpu_s() - before) / result["answers"]


def interval(ratios, draws=2000):
    drawn = random.Random(1)
    medians = sorted(statistics.median(drawn.choices(ratios, k=len(ratios))) for _ in range(draws))
    return medians[draws // 40], medians[-1 - draws // 40]


def report(name, ratios):
    low, high = interval(ratios)
    print(f"{name:24} confined ÷ open  {statistics.median(ratios):.4f}  ({low:.4f} to {high:.4f})")
    return low


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--seconds", type=int, default=2)
    options = parser.parse_args()
    build, rates, costs = options.build.resolve(), [], []
    with tempfile.TemporaryDirectory() as folder:
        data, bodies = load.small_model(pathlib.Path(folder) / "data"), load.write_stub_body(folder)
        with load.facepair(build, "tests/facepair-stub", data, ["--no-trainer"]) as confined, \
                load.facepair(build, "tests/facepair-stub", data, ["--no-trainer", "--no-sandbox"]) as unconfined:
            for number in range(options.rounds):
                servers = [confined, unconfined]
                figures = {id(server): measure(server, bodies, options.seconds) for server in servers[::-1 if number % 2 else 1]}
                (rate, cost), (open_rate, open_cost) = figures[id(confined)], figures[id(unconfined)]
                rates.append(rate / open_rate)
                costs.append(cost / open_cost)
    report("answers a second", rates)
    return 1 if report("processor time, answer", costs) > COST_MAX else 0


if __name__ == "__main__":
    sys.exit(main())
