#!/usr/bin/python3
"""What counting the refusals of subjects costs: who names none, and who names one and is refused, or matches.

    tests/load/subject_cost.py [--build BUILD] [--seconds S] [--rounds N] [--clients N] [--rate-least R]

With the stub network and a small input, so that the service's own work is nearly all there is. Each round measures the four
cases one after the other, and a case's figure is the median of its rounds. Exits 1 when a request failed, or when those who name
no subject are answered at less than --rate-least times the rate that they are answered at without counting.
"""
import argparse
import pathlib
import statistics
import sys
import tempfile

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests" / "bench"))
import load  # noqa: E402

SUBJECTS = 64
FILES = [("image1", b"first"), ("image2", b"second")]
FREE = ["--lockout-refusals", "1000", "--lockout-seconds", "1", "--lockout-limit", "1000000"]  # nobody waits in a short round
NEVER, ALWAYS = "0.000001", "1000"
CASES = {  # name: (options, threshold, whether a subject is named)
    "no counting, no subject": (["--lockout", "off"], ALWAYS, False),
    "no subject": (FREE, ALWAYS, False),
    "subject, matches": (FREE, ALWAYS, True),
    "subject, refused": (FREE, NEVER, True),
}


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=TREE / "build")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--rate-least", type=float, default=0.98)
    return parser.parse_args()


def write_bodies(folder, threshold, named):
    bodies = [load.multipart([("threshold", threshold), *([("subject", f"subject {i}")] if named else [])], FILES)
              for i in range(SUBJECTS)]
    return load.write_bodies(folder, bodies)


def measure(options, folder, name):
    switches, threshold, named = CASES[name]
    bodies = folder / name.replace(" ", "-")
    count = write_bodies(bodies, threshold, named)
    server = load.facepair(options.build / "tests", "facepair-stub", load.small_model(folder / f"{bodies.name}-data"))
    server.command += ["--no-trainer", *switches]
    with server:
        load.wrk(server.url + "/v1/verify", bodies, count, options.clients, 1)
        before = server.cpu_s()
        result = load.wrk(server.url + "/v1/verify", bodies, count, options.clients, options.seconds)
        return result | {"cpu_us": (server.cpu_s() - before) / max(1, result["answers"]) * 1e6}


def main():
    options = parse()
    results = {name: [] for name in CASES}
    for _ in range(options.rounds):
        for name in CASES:
            with tempfile.TemporaryDirectory() as folder:
                results[name].append(measure(options, pathlib.Path(folder), name))
    print(f"{options.clients} clients, {options.rounds} rounds of {options.seconds} s each")
    print(f"{'':26}{'answers/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'CPU us':>9}{'faults':>8}")
    for name, rounds in results.items():
        middle = {key: statistics.median(each[key] for each in rounds) for key in ("rate", "p50", "p99", "cpu_us")}
        faults = sum(each["faults"] for each in rounds)
        print(f"{name:26}{middle['rate']:10.0f}{middle['p50']:9.2f}{middle['p99']:9.2f}{middle['cpu_us']:9.0f}{faults:8d}")
    faults = sum(each["faults"] for rounds in results.values() for each in rounds)
    without, counting = (statistics.median(each["rate"] for each in results[name]) for name in list(CASES)[:2])
    print(f"who names no subject: {counting / without:.3f} of the rate without counting")
    return 1 if faults or counting < options.rate_least * without else 0


if __name__ == "__main__":
    sys.exit(main())
