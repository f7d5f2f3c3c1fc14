#!/usr/bin/python3
"""Kills the trainer and the service at random moments, and stops the trainer past its lease, while jobs run; then asks
whether every job ended as if nothing had happened, or with its attempts exhausted.

    tests/load/kill_jobs.py [--build BUILD] [--kills N] [--seed N] [--real]

With the fine-tuning of tests/stub_finetune.c, whose losses follow from every step taken: a job that lost or repeated one would
end with other losses than the one that nobody disturbed. --real: with the real one, on 60 people of LFW (FACEPAIR_LFW) and one
thread; its losses too must be the same to the last bit.
"""
import argparse
import collections
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests" / "http"))

LEASE_MS = 1500
CANCEL_S_MAX = 2
WAITING = 4  # so many jobs wait at any time while there are kills to come
PEOPLE, PHOTOGRAPHS = 60, 4  # of LFW


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=TREE / "build")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--real", action="store_true")
    return parser.parse_args()


options = parse()
os.environ["FACEPAIR_BUILD"] = str(options.build)
from jobs import FINAL, Jobs, is_alive, wait_until  # noqa: E402 (FACEPAIR_BUILD is set before)
from service import DATA, PROGRAM, STUB, Service, write_stub_data  # noqa: E402


class Stubs:
    """Jobs that compute nothing: a second each."""

    program, epochs, batch_size = STUB, 8, 3  # batch_size is milliseconds a step here
    pause_s = (0.05, 1.2)  # between two kills

    @staticmethod
    def write_data(data):
        return write_stub_data(data, dlib_resnet={})


class Real:
    """Jobs on photographs: ten seconds each, with a core of their own."""

    program, epochs, batch_size = PROGRAM, 6, 16
    pause_s = (0.5, 12)

    @staticmethod
    def write_data(data):
        shutil.copytree(DATA / "models/dlib-resnet", data / "models/dlib-resnet")
        (data / "face").symlink_to(DATA / "face")
        people = [sorted(person.glob("*.jpg"))
                  for person in sorted((pathlib.Path(os.environ["FACEPAIR_LFW"]) / "lfw-deepfunneled").iterdir())]
        for photographs in [each for each in people if len(each) >= PHOTOGRAPHS][:PEOPLE]:
            folder = data / "datasets/people" / photographs[0].parent.name
            folder.mkdir(parents=True)
            for photograph in photographs[:PHOTOGRAPHS]:
                shutil.copy(photograph, folder)
        return data


class Run:
    def __init__(self, kind, data):
        self.kind = kind
        self.jobs = Jobs(kind.write_data(data))
        self.random = random.Random(options.seed)
        self.service = self.start()
        self.made = []
        self.hits = collections.Counter()

    def start(self):
        return Service(self.kind.program, self.jobs.data, "--lease-ms", str(LEASE_MS), "--trainer-threads", "1")

    def create(self):
        self.made.append(self.jobs.create(epochs=self.kind.epochs, step_ms=self.kind.batch_size))

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
        self.create()
        undisturbed = self.made[0]
        assert self.jobs.wait(undisturbed, patience=300)["state"] == "succeeded"
        while self.hits.total() < options.kills:
            self.keep_waiting()
            time.sleep(self.random.uniform(*self.kind.pause_s))
            self.hit()
        for job in self.made:
            self.jobs.wait(job, patience=300)
        self.lived_s = self.cancel_s()
        self.service.stop()
        return self.check(undisturbed)

    def cancel_s(self):
        """How long the process of a job that is cancelled lives on."""
        job = self.jobs.create(epochs=1000, step_ms=self.kind.batch_size)
        self.jobs.wait(job, "running", patience=300)
        pid = self.trainer()
        begun = time.monotonic()
        self.jobs.ask("cancel", job)
        assert self.jobs.get(job)["state"] in ("cancelling", "cancelled")
        wait_until(lambda: not is_alive(pid))
        lived_s = time.monotonic() - begun
        assert self.jobs.wait(job)["state"] == "cancelled"
        self.made.append(job)
        return lived_s

    def check(self, undisturbed):
        expected = self.jobs.losses(undisturbed)
        assert len(expected) == self.kind.epochs
        rows = [self.jobs.check_history(job) for job in self.made]
        assert len(rows) == self.jobs.rows("SELECT count(*) AS n FROM jobs")[0]["n"], "a job is lost, or nobody's"
        ends = collections.Counter(row["state"] for row in rows)
        for row in rows:
            assert row["state"] in FINAL
            if row["state"] == "succeeded":
                assert self.jobs.losses(row["id"]) == expected, f"{row['id']} went another way"
            elif row["state"] == "failed":
                assert (row["state"], row["error_code"], row["attempt"]) == ("failed", "attempts_exhausted", 3)
        self.check_versions(rows)
        return ends, collections.Counter(row["attempt"] for row in rows)

    def check_versions(self, rows):
        """One version for each job that succeeded, and no other. (A job may publish and lose its last attempt just then:
        such a version is nobody's.)"""
        versions = {path.name for path in (self.jobs.data / "models/dlib-resnet").glob("[1-9]*")} - {"1"}
        results = [row["result_version"] for row in rows if row["state"] == "succeeded"]
        assert len(set(results)) == len(results) and set(results) <= versions
        exhausted = sum(row["state"] == "failed" for row in rows)
        assert len(versions) - len(results) <= exhausted, "a job has published twice"


def main():
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Real if options.real else Stubs, pathlib.Path(folder))
        try:
            ends, attempts = run.go()
        finally:
            if run.service.process.poll() is None:
                run.service.process.kill()
        print(f"{run.hits['trainer']} trainers and {run.hits['service']} services killed, {run.hits['sleep']} trainers stopped "
              f"past their lease: {len(run.made)} jobs, {dict(ends)}, attempts {dict(sorted(attempts.items()))}; no loss differs, "
              "no state is impossible, no job has published twice; the process of a cancelled job lived for "
              f"{run.lived_s:.2f} s")
        assert run.lived_s <= CANCEL_S_MAX, "a cancelled job's process lives on"


main()
