#!/usr/bin/python3
"""A fleet under load: one control and two serving instances share a models directory, HAProxy stands before the two.

usage: tests/load/fleet.py [--build build] [--requests 2000] [--clients 16]

Clients post pairs to HAProxy, each as fast as it is answered; HAProxy asks nobody twice (retries 0). Meanwhile, in turn:
  promotion   a version is promoted at control: both serving instances answer with it within 5 s, and no request fails
  restart     each serving instance is ended with a drain delay and started again: no request fails, of --requests a restart
  kill        a serving instance is killed: only requests that were under way then fail, no more than it had
  control     control is killed: no request fails
Exits 1 where one of these does not hold. Addresses are the loopback's; needs Debian's haproxy.
"""
import argparse
import contextlib
import csv
import dataclasses
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "bench"), str(TESTS / "http")]
import load
from versions import Version

MODEL, PROMOTED_WITHIN_S, DRAIN_DELAY_S, PATIENCE_S = "dlib-resnet", 5, 2, 120
HEADERS = {"Content-Type": f"multipart/form-data; boundary={load.BOUNDARY}", "X-Request-Timeout-Ms": "60000"}
# A server is asked four times a second, on its metrics listener, and left at the first request that breaks: without retries
# HAProxy learns in no other way that a server is gone before it sends it another. (Where servers may answer 5xx under load, as
# ours does when it is full, let it retry refused connections instead: `retries 1`, `retry-on conn-failure`.)
HAPROXY = """
global
    stats socket {socket}
    maxconn 1000
defaults
    mode http
    retries 0
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    timeout check 2s
frontend public
    bind 127.0.0.1:{port}
    http-after-response set-header X-Served-By %[srv_name]
    default_backend facepair
backend facepair
    balance leastconn
    option httpchk
    http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host localhost hdr Connection close
    default-server inter 250ms fall 1 rise 1 observe layer7 error-limit 1 on-error mark-down
{servers}
"""


class Instance:
    """`facepair serve` that can be ended and started again on the same ports."""

    def __init__(self, name, program, role, data):
        self.name, self.port, self.metrics, self.admin = name, load.free_port(), load.free_port(), load.free_port()
        self.command = [program, "serve", f"--role={role}", "--lockout=off", "--data", data, "--listen", f"127.0.0.1:{self.port}",
                        "--metrics-listen", f"127.0.0.1:{self.metrics}", "--admin-listen", f"127.0.0.1:{self.admin}",
                        f"--drain-delay={DRAIN_DELAY_S if role == 'serve' else 0}", "--log-level=warn"]

    def start(self):
        self.process = subprocess.Popen(self.command)
        wait_for(f"{self.name} to be ready", lambda: self.is_ready())

    def is_ready(self):
        try:
            return self.get(self.metrics, "/readyz")[0] == 200
        except OSError:
            return False

    def get(self, port, path, method="GET", body=None):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as connection:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            response = connection.getresponse()
            return response.status, response.read()

    def active_version(self):
        models = json.loads(self.get(self.port, "/v1/models")[1])["data"]
        return next(model["version"] for model in models if model["name"] == MODEL)

    def end(self, number):
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


@dataclasses.dataclass
class Answered:
    began: float
    ended: float
    status: int  # 0: the connection broke
    by: str
    version: str


class Clients:
    def __init__(self, port, bodies, count):
        self.port, self.bodies, self.ended = port, bodies, False
        self.answers = []
        self.threads = [threading.Thread(target=self.run, args=(seed,)) for seed in range(count)]

    def run(self, turn):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        while not self.ended:
            turn += 1
            began, status, by, version = time.monotonic(), 0, "", ""
            try:
                connection.request("POST", "/v1/verify", self.bodies[turn % len(self.bodies)], HEADERS)
                response = connection.getresponse()
                answer = response.read()
                status, by = response.status, response.headers.get("X-Served-By", "")
                if status == 200:
                    version = json.loads(answer)["model"]["version"]
            except (OSError, http.client.HTTPException):
                connection.close()
            self.answers.append(Answered(began, time.monotonic(), status, by, version))
        connection.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended = True
        for thread in self.threads:
            thread.join()


def wait_for(what, condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"waited in vain for {what}")
        time.sleep(0.02)


@contextlib.contextmanager
def haproxy(folder, instances):
    """Its port, and what it says of a server: a function of the server's name that gives (its state, requests under way)."""
    port, control = load.free_port(), str(folder / "haproxy.sock")
    servers = "\n".join(f"    server {each.name} 127.0.0.1:{each.port} check port {each.metrics}" for each in instances)
    (folder / "haproxy.cfg").write_text(HAPROXY.format(socket=control, port=port, servers=servers))
    process = subprocess.Popen(["haproxy", "-db", "-f", folder / "haproxy.cfg"])

    def look(name):
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(control)
                connection.sendall(b"show stat\n")
                rows = csv.DictReader(connection.makefile())
                row = next(row for row in rows if (row["# pxname"], row["svname"]) == ("facepair", name))
        except OSError:  # it is starting
            return "DOWN", 0
        return row["status"], int(row["scur"])

    try:
        yield port, look
    finally:
        process.terminate()
        process.wait()


class Fleet:
    def __init__(self, control, serving, look, clients, requests):
        self.control, self.serving, self.look, self.clients, self.requests = control, serving, look, clients, requests
        self.sound = True

    def wait_for_haproxy(self, instance):
        wait_for(f"HAProxy to see {instance.name}", lambda: self.look(instance.name)[0] == "UP")

    def wait_for_answers(self, since, count):
        wait_for(f"{count} answers", lambda: len(self.clients.answers) - since >= count)

    def judge(self, phase, since, holds, words):
        answers = self.clients.answers[since:]
        failed = [each for each in answers if each.status != 200]
        print(f"{phase}: {len(answers)} requests, {len(failed)} failed; {words}", flush=True)
        for each in failed[:5] if not holds else []:
            print(f"    {each}", file=sys.stderr)
        self.sound = self.sound and holds

    def failed(self, since):
        return [each for each in self.clients.answers[since:] if each.status != 200]

    def promotion(self, version):
        since, began = len(self.clients.answers), time.monotonic()
        status, answer = self.control.get(self.control.admin, f"/admin/v1/models/{MODEL}/active", "PUT",
                                          json.dumps({"version": version}))
        if status != 200:
            raise SystemExit(f"the promotion was answered {status}: {answer}")
        promoted, followed = time.monotonic(), {}
        while len(followed) < len(self.serving):
            for each in self.serving:
                if each.name not in followed and each.active_version() == version:
                    followed[each.name] = time.monotonic() - promoted
            if time.monotonic() - promoted > PATIENCE_S:
                raise SystemExit(f"only {followed} followed")
            time.sleep(0.02)
        settled = time.monotonic()
        self.wait_for_answers(since, self.requests // 10)
        late = [each for each in self.clients.answers[since:] if each.status == 200 and each.began > settled
                and each.version != version]
        times = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in followed.items())
        self.judge("promotion", since, not self.failed(since) and not late and max(followed.values()) <= PROMOTED_WITHIN_S,
                   f"promoted in {promoted - began:.2f} s and followed after {times} (at most {PROMOTED_WITHIN_S}); "
                   f"{len(late)} answers by the old version after that")

    def restart(self, instance):
        since, began = len(self.clients.answers), time.monotonic()
        code = instance.end(signal.SIGTERM)
        ended = time.monotonic()
        instance.start()
        self.wait_for_haproxy(instance)
        back = time.monotonic()
        self.wait_for_answers(since, self.requests)
        by = sum(each.by == instance.name and each.began > back for each in self.clients.answers[since:])
        self.judge(f"restart of {instance.name}", since, code == 0 and not self.failed(since) and by > 0,
                   f"exit code {code} after {ended - began:.1f} s, serving again after {back - began:.1f} s, {by} answers since")

    def kill(self, instance):
        wait_for("it to be busy", lambda: self.look(instance.name)[1] >= len(self.clients.threads) // 4)
        since = len(self.clients.answers)
        had = self.look(instance.name)[1]
        instance.end(signal.SIGKILL)
        dead = time.monotonic()
        self.wait_for_answers(since, self.requests // 4)
        failed = self.failed(since)
        later = [each for each in failed if each.began > dead]
        instance.start()
        self.wait_for_haproxy(instance)
        self.judge(f"kill of {instance.name}", since, not later and len(self.failed(since)) == len(failed),
                   f"it had {had} a moment before; {len(later)} of the failed began after its death")

    def kill_control(self):
        since = len(self.clients.answers)
        self.control.end(signal.SIGKILL)
        self.wait_for_answers(since, self.requests // 4)
        self.judge("kill of control", since, not self.failed(since), "answering needs it not")


def usable_bodies(instance, count):
    pairs, what = load.bench_pairs(count)
    bodies = [load.multipart([], [("image1", first), ("image2", second)]) for first, second in pairs]
    print(f"{what}, {os.cpu_count()} processors")
    return [body for body in bodies if load.post(f"http://127.0.0.1:{instance.port}/v1/verify", body)[0] == 200]


def shared_models(folder):
    """(DATA of those that answer, DATA of control): control's has the same models, and a disk of its own."""
    shared, own = folder / "shared", folder / "control"
    source = pathlib.Path(os.environ.get("FACEPAIR_DATA", load.TREE / "data"))
    for name in ("models", "face"):
        shutil.copytree(source / name, shared / name)
    first = Version(shared, MODEL, "1")
    first.activate()
    if not (first.path.parent / "2").exists():
        first.copy("2")
    own.mkdir()
    for name in ("models", "face"):
        (own / name).symlink_to(shared / name)
    return shared, own


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=load.TREE / "build")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=16)
    options = parser.parse_args()
    program = options.build.resolve() / "facepair"
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as ends:
        folder = pathlib.Path(name)
        shared, own = shared_models(folder)
        control = Instance("control", program, "control", own)
        serving = [Instance("first", program, "serve", shared), Instance("second", program, "serve", shared)]
        for each in [control, *serving]:
            each.start()
            ends.callback(lambda each=each: each.process.poll() is None and each.end(signal.SIGKILL))
        bodies = usable_bodies(serving[0], 40)
        port, look = ends.enter_context(haproxy(folder, serving))
        wait_for("HAProxy to see both", lambda: all(look(each.name)[0] == "UP" for each in serving))
        with Clients(port, bodies, options.clients) as clients:
            fleet = Fleet(control, serving, look, clients, options.requests)
            fleet.wait_for_answers(0, 2 * options.clients)
            fleet.promotion("2")
            fleet.restart(serving[0])
            fleet.restart(serving[1])
            fleet.kill(serving[0])
            fleet.promotion("1")
            fleet.kill_control()
    print("all of it holds" if fleet.sound else "not all of it holds")
    return 0 if fleet.sound else 1


if __name__ == "__main__":
    sys.exit(main())
