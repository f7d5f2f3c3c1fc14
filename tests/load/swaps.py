#!/usr/bin/python3
"""Swaps a model's version under load: does anything fail, does each answer come from the version it names, what does it cost?

usage: tests/load/swaps.py [--build build] [--swaps 100] [--clients 16] [--short]

Version 2 is version 1 with its last layer times 1.01, so that every distance is 1.01 times as long, and the distance of an
answer tells which version computed it. Rounds of swaps and rounds without alternate, equally long, under the same clients. Exits
1 when a request failed; when a distance is not that of the version named; when the p99 of the requests that met a round of swaps
is more than twice the p99 of the others; or when the resident size at rest is at the end more than 1 % above that after 10 swaps.
--short (the test suite's) looks at the first two only: the others need time and a machine of their own.
"""
import argparse
import dataclasses
import http.client
import itertools
import json
import math
import os
import pathlib
import random
import shutil
import sys
import tempfile
import threading
import time

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "bench"), str(TESTS / "http")]
import load
from versions import Version, scaled

MODEL, FACTOR = "dlib-resnet", 1.01
TOLERANCE = 1e-4  # the two versions' distances are 40 times as far apart, and batches of other sizes differ by 1e-6
SWAPS_A_ROUND = 10
WARM_REQUESTS = 1000  # before the first swap, so that the heap is as large as this load makes it
REST_S = 1  # the disk thread frees what has ended twice a second
P99_RATIO_MAX, GROWTH_MAX = 2, 0.01
CONTENT_TYPE = f"multipart/form-data; boundary={load.BOUNDARY}"


@dataclasses.dataclass
class Answered:
    began: float
    ended: float
    pair: int
    status: int
    version: str = ""
    distance: float = math.nan


class Clients:
    """Each posts pairs, as fast as it is answered, over a connection of its own."""

    def __init__(self, address, bodies, count):
        self.address, self.bodies = address, bodies
        self.answers, self.ended = [], False
        self.going, self.resting = threading.Event(), 0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(seed,)) for seed in range(count)]

    def run(self, seed):
        drawn = random.Random(seed)
        connection = http.client.HTTPConnection(self.address, timeout=60)
        while not self.ended:
            self.rest_while_paused()
            pair = drawn.randrange(len(self.bodies))
            answered = Answered(time.monotonic(), 0, pair, 0)
            try:
                connection.request("POST", "/v1/verify", self.bodies[pair], {"Content-Type": CONTENT_TYPE})
                response = connection.getresponse()
                answered.status, answer = response.status, json.loads(response.read())
                if answered.status == 200:
                    answered.version, answered.distance = answer["model"]["version"], answer["distance"]
            except OSError:
                connection.close()
            answered.ended = time.monotonic()
            self.answers.append(answered)
        connection.close()

    def rest_while_paused(self):
        if self.going.is_set():
            return
        with self.lock:
            self.resting += 1
        self.going.wait()
        with self.lock:
            self.resting -= 1

    def at_rest(self, look):
        """What `look` sees while no request is under way, and what has ended is freed."""
        self.going.clear()
        while self.resting < len(self.threads):
            time.sleep(0.01)
        time.sleep(REST_S)
        seen = look()
        self.going.set()
        return seen

    def __enter__(self):
        self.going.set()
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended = True
        for thread in self.threads:
            thread.join()


def promote(admin, version):
    connection = http.client.HTTPConnection(admin, timeout=120)
    connection.request("PUT", f"/admin/v1/models/{MODEL}/active", json.dumps({"version": version}),
                       {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    if response.status != 200:
        raise SystemExit(f"the promotion of version {version} was answered {response.status}: {answer}")


def distances(server, admin, bodies):
    """{version: [distance of each pair]}, asked one by one"""
    expected = {}
    for version in ("2", "1"):
        promote(admin, version)
        answers = [load.post(server.url + "/v1/verify", body) for body in bodies]
        assert all(status == 200 for status, _ in answers), answers
        expected[version] = [json.loads(answer)["distance"] for _, answer in answers]
    return expected


def resident_kib(pid):
    return int(pathlib.Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0])


def p99(answers):
    """milliseconds"""
    times = sorted(answered.ended - answered.began for answered in answers)
    return times[math.ceil(0.99 * len(times)) - 1] * 1e3 if times else math.nan


def overlaps(answered, rounds):
    return any(answered.began < end and begin < answered.ended for begin, end in rounds)


def of_another_version(answered, expected):
    wanted = expected[answered.version][answered.pair]
    return not abs(answered.distance - wanted) <= TOLERANCE


def swap_rounds(server, admin, clients, options):
    """[(begin, end)] of the rounds with swaps, the seconds of each swap, and the resident size at rest after each."""
    rounds, swaps, sizes = [], [], []
    versions = itertools.cycle(["2", "1"])
    while len(swaps) < options.swaps:
        begin = time.monotonic()
        for version in itertools.islice(versions, min(SWAPS_A_ROUND, options.swaps - len(swaps))):
            asked = time.monotonic()
            promote(admin, version)
            swaps.append(time.monotonic() - asked)
        rounds.append((begin, time.monotonic()))
        time.sleep(max(2.0, rounds[-1][1] - begin))  # as long without
        sizes.append(clients.at_rest(lambda: resident_kib(server.process.pid)))
        print(f"{len(swaps)} swaps, {swaps[-1]:.2f} s the last: {sizes[-1]} KiB resident", flush=True)
    return rounds, swaps, sizes


def judge(answers, expected, rounds, swaps, sizes, options):
    failed = [answered for answered in answers if answered.status != 200]
    wrong = [answered for answered in answers if answered.status == 200 and of_another_version(answered, expected)]
    beside = [answered for answered in answers if overlaps(answered, rounds)]
    without = [answered for answered in answers if not overlaps(answered, rounds)]
    by = {version: sum(answered.version == version for answered in answers) for version in expected}
    ratio, growth = p99(beside) / p99(without), sizes[-1] / sizes[0] - 1
    print(f"{len(swaps)} swaps ({sum(swaps) / len(swaps):.2f} s each) under {options.clients} clients: {len(answers)} requests, "
          f"{len(failed)} failed {sorted({answered.status for answered in failed})}")
    print(f"answers by version: {by}; {len(wrong)} not computed by the version that they name")
    print(f"p99 beside swaps {p99(beside):.0f} ms ({len(beside)}), without {p99(without):.0f} ms ({len(without)}): "
          f"{ratio:.2f} times (at most {P99_RATIO_MAX})")
    print(f"resident size at rest, from after the first 10 swaps to the end: {growth:+.2%} (at most {GROWTH_MAX:+.0%})")
    for answered in [*failed, *wrong][:10]:
        print(answered, file=sys.stderr)
    sound = not failed and not wrong and len(answers) > 0 and all(by.values())
    return sound and (options.short or (ratio <= P99_RATIO_MAX and growth <= GROWTH_MAX))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=load.TREE / "build")
    parser.add_argument("--swaps", type=int, default=100)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    bodies = [load.multipart([], [("image1", a), ("image2", b)]) for a, b in load.pairs_of_photos()[:6]]
    if "FACEPAIR_LFW" in os.environ and not options.short:
        pairs, _ = load.bench_pairs(40)
        bodies = [load.multipart([], [("image1", a), ("image2", b)]) for a, b in pairs]

    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder) / "data"
        shutil.copytree(os.environ.get("FACEPAIR_DATA", load.TREE / "data"), data, copy_function=os.link)
        first = Version(data, MODEL, "1")
        first.copy("2").change_weights(scaled(FACTOR))
        first.activate()
        with load.facepair(options.build.resolve(), data=data) as server:
            admin = server.command[server.command.index("--admin-listen") + 1]
            bodies = [body for body in bodies if load.post(server.url + "/v1/verify", body)[0] == 200]
            expected = distances(server, admin, bodies)
            with Clients(server.url[7:], bodies, options.clients) as clients:
                while len(clients.answers) < (100 if options.short else WARM_REQUESTS):
                    time.sleep(0.1)
                rounds, swaps, sizes = swap_rounds(server, admin, clients, options)
    return 0 if judge(clients.answers, expected, rounds, swaps, sizes, options) else 1


if __name__ == "__main__":
    sys.exit(main())
