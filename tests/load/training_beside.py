#!/usr/bin/python3
"""Does a fine-tuning job beside the service harm a single request, and does it get the CPU time that is left?

    FACEPAIR_LFW=FOLDER tests/load/training_beside.py [--build build] [--seconds 60] [--short]

POST /v1/verify, each measurement with and without a job (in turns, so that a machine's other work meets both alike):

  four closed-loop clients, each as fast as it is answered: p99 beside a job at most 1.5 times that without
  open loop at half of the rate that four clients reached:   the same; and the job takes at least 60 % of the steps that the
                                                             CPU time it could have had allows

The CPU time that a job could have had is what the service leaves of the CPUs under the same load without a job; what a step
costs is measured by the job alone. No request may fail. --short only sees that it works: no bound is asked for.
"""
import argparse
import os
import pathlib
import queue
import shutil
import sys
import tempfile
import threading
import time

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests" / "bench"))
sys.path.insert(0, str(TREE / "tests" / "http"))

CLIENTS, OPEN_LOOP_SENDERS = 4, 32
P99_TIMES_MAX, STEPS_SHARE_MIN = 1.5, 0.6
PEOPLE, PEOPLE_SHORT, PHOTOGRAPHS = 200, 40, 4


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=TREE / "build", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=60, help="of each measurement")
    parser.add_argument("--short", action="store_true")
    return parser.parse_args()


options = parse()
os.environ["FACEPAIR_BUILD"] = str(options.build)
import http.client  # noqa: E402

import load  # noqa: E402 (FACEPAIR_BUILD is set before)
from jobs import Jobs, wait_until  # noqa: E402
from service import DATA, PROGRAM, Service  # noqa: E402


def write_data(data):
    shutil.copytree(DATA / "models/dlib-resnet", data / "models/dlib-resnet")
    (data / "face").symlink_to(DATA / "face")
    folders = sorted((pathlib.Path(os.environ["FACEPAIR_LFW"]) / "lfw-deepfunneled").iterdir())
    people = [sorted(folder.glob("*.jpg")) for folder in folders]
    for photographs in [each for each in people if len(each) >= PHOTOGRAPHS][: PEOPLE_SHORT if options.short else PEOPLE]:
        folder = data / "datasets/people" / photographs[0].parent.name
        folder.mkdir(parents=True)
        for photograph in photographs[:PHOTOGRAPHS]:
            shutil.copy(photograph, folder)
    return data


class Load:
    """Requests and how long each took, from when it was due."""

    def __init__(self, service, bodies):
        self.service, self.bodies = service, bodies
        self.lock = threading.Lock()

    def measure(self, seconds, rate=None):
        self.times_s, self.faults, self.sent = [], 0, 0
        self.end = time.monotonic() + seconds
        self.due = queue.Queue()
        senders = [threading.Thread(target=self._send, args=(rate is not None,))
                   for _ in range(OPEN_LOOP_SENDERS if rate else CLIENTS)]
        for sender in senders:
            sender.start()
        if rate:
            self._pace(rate, len(senders))
        for sender in senders:
            sender.join()
        self.times_s.sort()
        p99 = self.times_s[min(len(self.times_s) - 1, int(len(self.times_s) * 0.99))]
        return {"p99_ms": p99 * 1000, "rate": len(self.times_s) / seconds, "faults": self.faults}

    def _pace(self, rate, senders):
        begin, number = time.monotonic(), 0
        while (at := begin + number / rate) < self.end:
            time.sleep(max(0, at - time.monotonic()))
            self.due.put(at)
            number += 1
        for _ in range(senders):
            self.due.put(None)

    def _send(self, is_open):
        connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=60)
        headers = {"Content-Type": f"multipart/form-data; boundary={load.BOUNDARY}"}
        while True:
            begun = self.due.get() if is_open else time.monotonic()
            if begun is None or (not is_open and begun >= self.end):
                break
            with self.lock:
                self.sent += 1
                body = self.bodies[self.sent % len(self.bodies)]
            connection.request("POST", "/v1/verify", body, headers)
            answer = connection.getresponse()
            answer.read()
            with self.lock:
                self.times_s.append(time.monotonic() - begun)
                self.faults += answer.status != 200
        connection.close()


def cpu_s(pid):
    """Of the process, its threads and nobody else."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Job:
    """One that does not end by itself, while it is wanted."""

    def __init__(self, jobs, service):
        self.jobs = jobs
        self.job = jobs.create(epochs=1000, step_ms=32)
        wait_until(lambda: jobs.losses(self.job), patience=600)  # it has begun its steps
        children = pathlib.Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children")
        self.pid = int(children.read_text().split()[0])

    def steps(self):
        return self.jobs.get(self.job)["step"]

    def mark(self):
        return self.steps(), cpu_s(self.pid), time.monotonic()

    def since(self, mark):
        """Steps and seconds of CPU a second."""
        steps, cpu, at = mark
        seconds = time.monotonic() - at
        return (self.steps() - steps) / seconds, (cpu_s(self.pid) - cpu) / seconds

    def end(self):
        self.jobs.ask("cancel", self.job)
        assert self.jobs.wait(self.job)["state"] == "cancelled"


def beside(load_, jobs, service, seconds, rate=None):
    """The load without a job and with one, and the CPU of the service without, the job's steps with."""
    begun, before = time.monotonic(), cpu_s(service.process.pid)
    alone = load_.measure(seconds, rate)
    alone["cpus"] = (cpu_s(service.process.pid) - before) / (time.monotonic() - begun)
    job = Job(jobs, service)
    mark = job.mark()
    with_job = load_.measure(seconds, rate)
    with_job["steps"], with_job["job_cpus"] = job.since(mark)
    job.end()
    return alone, with_job


def job_alone(jobs, service, seconds):
    job = Job(jobs, service)
    mark = job.mark()
    time.sleep(seconds)
    rates = job.since(mark)
    job.end()
    return rates


def report(name, alone, with_job):
    times = with_job["p99_ms"] / alone["p99_ms"]
    print(f"{name}: p99 {alone['p99_ms']:.1f} ms alone, {with_job['p99_ms']:.1f} ms beside a job: {times:.2f} times; "
          f"{alone['rate']:.1f} and {with_job['rate']:.1f} a second; {alone['faults'] + with_job['faults']} failures")
    return times


def run(service, jobs):
    seconds = options.seconds
    pairs, what = load.bench_pairs(100)
    print(f"{what}; {seconds:.0f} s each")
    bodies = [load.multipart([], [("image1", a), ("image2", b)]) for a, b in pairs]
    bodies = [body for body in bodies if load.post(f"http://127.0.0.1:{service.port}/v1/verify", body)[0] == 200]
    load_ = Load(service, bodies)
    load_.measure(2)  # warm
    closed = beside(load_, jobs, service, seconds)
    opened = beside(load_, jobs, service, seconds, rate=closed[0]["rate"] / 2)
    steps_alone, cpus_alone = job_alone(jobs, service, seconds)
    cpus = len(os.sched_getaffinity(0))
    allowed = steps_alone * min(1, (cpus - opened[0]["cpus"]) / cpus_alone)
    times = [report(f"{CLIENTS} closed-loop clients", *closed), report("half of that rate, open loop", *opened)]
    share = opened[1]["steps"] / allowed
    print(f"steps a second: {steps_alone:.2f} alone with {cpus_alone:.2f} CPUs; the load leaves {cpus - opened[0]['cpus']:.2f}, "
          f"which allow {allowed:.2f}; {opened[1]['steps']:.2f} were taken: {share:.2f}")
    faults = sum(each["faults"] for pair in (closed, opened) for each in pair)
    return faults == 0 and (options.short or (max(times) <= P99_TIMES_MAX and share >= STEPS_SHARE_MIN))


def main():
    if options.short:
        options.seconds = min(options.seconds, 5)
    with tempfile.TemporaryDirectory() as folder:
        jobs = Jobs(write_data(pathlib.Path(folder)))
        service = Service(PROGRAM, jobs.data)
        try:
            fine = run(service, jobs)
        finally:
            service.stop()
    print("all is as it should be" if fine else "NOT as it should be")
    return 0 if fine else 1


sys.exit(main())
