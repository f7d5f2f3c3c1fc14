#!/usr/bin/python3
"""Kills the service at random moments under load; then asks whether its record of decisions is one unbroken chain with every
decision that it had told, and whether every refusal that it had told was counted for its subject.

    tests/load/kill_record.py [--build BUILD] [--kills N] [--clients N] [--seed N] [--slack-ms MS]

The record may lack what was told less than JOURNAL_FLUSH_MS, and the disk's own time, before a kill: a line that is missing must
not be older than --slack-ms. A refusal may not be missing at all. One that was never told may be counted, if its request was under
way at a kill. The chain is computed here anew, so that the program under test does not judge itself.
"""
import argparse
import collections
import hashlib
import json
import os
import pathlib
import random
import sys
import tempfile
import threading
import time

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests" / "http"))

RECORD_BYTES = 64 * 1024  # a file ends many times between two kills
SUBJECTS = 5
NEVER = ("threshold", "0.000001")
PAUSE_S = (0.02, 0.8)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=TREE / "build")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--slack-ms", type=float, default=1000)
    return parser.parse_args()


options = parse()
os.environ["FACEPAIR_BUILD"] = str(options.build)
import service as under_test  # noqa: E402 (FACEPAIR_BUILD is set before)

PAIR = [("image1", b"first"), ("image2", b"second")]


class Run:
    def __init__(self, folder):
        self.data = under_test.write_stub_data(folder / "data", dlib_resnet={})
        self.record = folder / "audit.jsonl"
        self.random = random.Random(options.seed)
        self.lock = threading.Lock()
        self.told = {}  # request id -> (of which life of the service, when)
        self.refused, self.unknown = collections.Counter(), collections.Counter()  # of a subject: told; cut off
        self.sent, self.kills, self.ending = 0, [], False
        self.service = self.start()

    def start(self):
        return under_test.Service(under_test.STUB, self.data, "--no-trainer", "--audit", self.record, "--audit-bytes",
                                  str(RECORD_BYTES), "--lockout-refusals", "1000", "--lockout-limit", "1000000")

    def ask(self):
        """One request; whatever breaks is a kill's doing."""
        with self.lock:
            self.sent += 1
            request_id, service, life = f"request-{self.sent}", self.service, len(self.kills)
            subject = f"subject {self.random.randrange(SUBJECTS)}" if self.random.random() < 0.5 else None
        parts = [*PAIR, NEVER, *([("subject", subject)] if subject else [])]
        try:
            answer = service.verify(parts, X_Request_Id=request_id)
        except ConnectionRefusedError:
            time.sleep(0.02)
            return
        except (OSError, under_test.http.client.HTTPException):
            with self.lock:
                self.unknown[subject] += 1
            return
        if answer.status != 200:
            raise SystemExit(f"{answer.status} {answer.body}")
        with self.lock:
            self.told[request_id] = (life, time.monotonic())
            self.refused[subject] += 1

    def client(self):
        while not self.ending:
            self.ask()

    def kill_at_random_moments(self):
        for _ in range(options.kills):
            time.sleep(self.random.uniform(*PAUSE_S))
            self.service.process.kill()
            killed = time.monotonic()
            self.service.wait()
            service = self.start()
            with self.lock:
                self.kills.append(killed)
                self.service = service

    def go(self):
        clients = [threading.Thread(target=self.client, daemon=True) for _ in range(options.clients)]
        for client in clients:
            client.start()
        self.kill_at_random_moments()
        self.ending = True
        for client in clients:
            client.join()
        self.kept = {subject: self.refusals(subject) for subject in self.refused if subject}
        if self.service.stop() != 0:
            raise SystemExit("the service did not end as it should")

    def refusals(self, subject):
        answer = self.service.request("POST", "/admin/v1/subjects/show", json.dumps({"subject": subject}),
                                      {"Content-Type": "application/json"}, self.service.admin_port)
        return answer.json["refusals"]

    def age_at_kill_ms(self, request_id):
        """How long before the kill of the service that answered it; what its client read later counts as 0."""
        life, told = self.told[request_id]
        return max(0, self.kills[life] - told) * 1000 if life < len(self.kills) else float("inf")


def chained(paths):
    """The lines of the files, in order; the faults of their chain."""
    lines, faults, previous, number = [], [], "0" * 64, 0
    for path in paths:
        content = path.read_bytes()
        if content and not content.endswith(b"\n"):
            faults.append(f"{path.name} ends within a line")
        for text in content.splitlines():
            line = json.loads(text)
            number += 1
            if (line["seq"], line["prev"]) != (number, previous):
                faults.append(f"{path.name}: line {number} is {line['seq']}, after {line['prev'][:8]} and not {previous[:8]}")
            previous = hashlib.blake2b(text, digest_size=32).hexdigest()
            lines.append(line)
    return lines, faults


def judge(run):
    files = sorted(run.record.parent.glob("audit.jsonl.*"))
    lines, faults = chained([*files, run.record])
    decisions = collections.Counter(line["request_id"] for line in lines if line["event"] == "decision")
    missing = [run.age_at_kill_ms(request_id) for request_id in run.told if request_id not in decisions]
    oldest = max(missing, default=0)
    torn = sum(line["event"] == "recovered" for line in lines)
    print(f"{len(run.kills)} kills, {run.sent} requests, {len(run.told)} answers, {sum(run.unknown.values())} cut off")
    print(f"record: {len(lines)} lines in {len(files) + 1} files, {torn} torn and cut off, {len(faults)} breaks of the chain;"
          f" {len(missing)} answers not in it, told at most {oldest:.0f} ms before a kill")
    faults += [f"{request_id} stands there {count} times" for request_id, count in decisions.items() if count != 1]
    if oldest > options.slack_ms:
        faults.append(f"an answer older than {options.slack_ms:.0f} ms is not in the record")
    lost = more = 0
    for subject, kept in run.kept.items():
        lost += max(0, run.refused[subject] - kept)
        more += max(0, kept - run.refused[subject])
        if not run.refused[subject] <= kept <= run.refused[subject] + run.unknown[subject]:
            faults.append(f"{subject}: {run.refused[subject]} refusals told, {kept} counted, {run.unknown[subject]} cut off")
    print(f"subjects: {sum(run.kept.values())} refusals counted, {lost} lost, {more} whose answers were cut off")
    return faults


def main():
    with tempfile.TemporaryDirectory() as folder:
        run = Run(pathlib.Path(folder))
        run.go()
        faults = judge(run)
    for fault in faults[:20]:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
