#!/usr/bin/python3
"""Kills the trainer and the service at random moments, and stops the trainer past its lease, while jobs run; then asks
whether every job ended as if nothing had happened, or with its attempts exhausted.

    tests/load/kill_jobs.py [--build BUILD] [--kills N] [--seed N]

With the fine-tuning of tests/stub_finetune.c, whose losses follow from every step taken: a job that lost or repeated one would
end with other losses than the one that nobody disturbed.
"""
import argparse
import collections
import json
import os
import pathlib
import random
import signal
import sys
import tempfile
import time

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests" / "http"))

LEASE_MS = 1500
EPOCHS, STEP_MS = 8, 3
WAITING = 4  # so many jobs wait at any time while there are kills to come


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=TREE / "build")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


options = parse()
os.environ["FACEPAIR_BUILD"] = str(options.build)
from jobs import FINAL, Jobs, is_alive, wait_until  # noqa: E402 (FACEPAIR_BUILD is set before)
from service import STUB, Service, write_stub_data  # noqa: E402


class Run:
    def __init__(self, data):
        self.jobs = Jobs(write_stub_data(data, dlib_resnet={}))
        self.random = random.Random(options.seed)
        self.service = self.start()
        self.made = []
        self.hits = collections.Counter()

    def start(self):
        return Service(STUB, self.jobs.data, "--lease-ms", str(LEASE_MS))

    def create(self):
        self.made.append(self.jobs.create(epochs=EPOCHS, step_ms=STEP_MS))

    def keep_waiting(self):
        waiting = self.jobs.rows("SELECT count(*) AS n FROM jobs WHERE state NOT IN ('succeeded', 'failed')")[0]["n"]
        for _ in range(WAITING - waiting):
            self.create()

    def trainer(self):
        pid = self.service.process.pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(children[0]) if children else None

    def hit(self):
        """One process, or one process's sleep, at one random moment."""
        what = self.random.choice(("trainer", "trainer", "service", "sleep"))
        victim = self.trainer()
        if what == "service":
            self.service.process.kill()
            self.service.wait()
            if victim:
                wait_until(lambda: not is_alive(victim))
            self.service = self.start()
        elif victim is None:
            return  # between two of its lives: another moment
        elif what == "trainer":
            os.kill(victim, signal.SIGKILL)
        else:
            os.kill(victim, signal.SIGSTOP)
            time.sleep(LEASE_MS / 1000 + self.random.uniform(0.1, 1))
            if is_alive(victim):
                os.kill(victim, signal.SIGCONT)
        self.hits[what] += 1

    def go(self):
        undisturbed = self.jobs.create(epochs=EPOCHS, step_ms=STEP_MS)
        assert self.jobs.wait(undisturbed)["state"] == "succeeded"
        self.made.append(undisturbed)
        while self.hits.total() < options.kills:
            self.keep_waiting()
            time.sleep(self.random.uniform(0.05, 1.2))
            self.hit()
        for job in self.made:
            self.jobs.wait(job, patience=180)
        self.service.stop()
        return self.check(undisturbed)

    def check(self, undisturbed):
        expected = self.jobs.losses(undisturbed)
        assert len(expected) == EPOCHS
        rows = [self.jobs.check_history(job) for job in self.made]
        assert len(rows) == self.jobs.rows("SELECT count(*) AS n FROM jobs")[0]["n"], "a job is lost, or nobody's"
        ends = collections.Counter(row["state"] for row in rows)
        for row in rows:
            assert row["state"] in FINAL
            if row["state"] == "succeeded":
                assert self.jobs.losses(row["id"]) == expected, f"{row['id']} went another way"
            else:
                assert (row["state"], row["error_code"], row["attempt"]) == ("failed", "attempts_exhausted", 3)
        self.check_versions(rows)
        return ends, collections.Counter(row["attempt"] for row in rows)

    def check_versions(self, rows):
        """One version for each job that succeeded, and no other. (A job may publish and lose its last attempt just then:
        such a version is nobody's.)"""
        cards = [json.loads(path.read_text()) for path in (self.jobs.data / "models/dlib-resnet").glob("*/model.json")]
        published = {card["version"]: card["job"] for card in cards if "job" in card}
        assert len(set(published.values())) == len(published), "a job has published twice"
        for row in rows:
            if row["state"] == "succeeded":
                assert published[row["result_version"]] == row["id"]
        exhausted = {row["id"] for row in rows if row["state"] == "failed"}
        results = {row["id"] for row in rows if row["state"] == "succeeded"}
        assert set(published.values()) - results <= exhausted


def main():
    with tempfile.TemporaryDirectory() as folder:
        run = Run(pathlib.Path(folder))
        try:
            ends, attempts = run.go()
        finally:
            if run.service.process.poll() is None:
                run.service.process.kill()
        print(f"{run.hits['trainer']} trainers and {run.hits['service']} services killed, {run.hits['sleep']} trainers stopped "
              f"past their lease: {len(run.made)} jobs, {dict(ends)}, attempts {dict(sorted(attempts.items()))}; no loss differs, "
              "no state is impossible, no job has published twice")


main()
