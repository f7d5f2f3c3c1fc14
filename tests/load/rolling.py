#!/usr/bin/python3
"""Two instances behind HAProxy are restarted in turn, again and again: does one request fail?

usage: tests/load/rolling.py [--build build] [--requests 100000]

HAProxy tries nothing twice (retries 0) and asks each instance's /readyz every 100 ms. 16 clients send as many requests through it
while one instance after the other gets SIGTERM, drains for its --drain-delay of 1 s, ends, and is started anew. Exits 1 when a
request was answered with anything but 200 or not at all, when an instance ended otherwise than with 0, when none was restarted
twice, or when one took longer to end than its delay, its batch (20 ms) and 1 s, which --short does not judge.
"""
import argparse
import contextlib
import pathlib
import subprocess
import tempfile
import threading
import time
import urllib.request

from flooded import PATIENCE_S, Bars, Flooded, load, requests

CLIENTS, DELAY_S, BATCH_MS, GRACE_S = 16, 1.0, 20, 1.0
CONFIGURATION = """
global
    maxconn 1000
    stats socket {folder}/haproxy.sock
defaults
    mode http
    retries 0
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    option httpchk GET /readyz
    http-check send hdr Host localhost
    default-server check inter 100ms fall 1 rise 1
frontend front
    bind 127.0.0.1:{port}
    default_backend back
backend back
    balance roundrobin
    server a 127.0.0.1:{a}
    server b 127.0.0.1:{b}
"""


@contextlib.contextmanager
def proxy(a, b):
    """The port on which HAProxy listens, once both instances are up for it."""
    with tempfile.TemporaryDirectory() as folder:
        port, path = load.free_port(), pathlib.Path(folder) / "haproxy.cfg"
        path.write_text(CONFIGURATION.format(folder=folder, port=port, a=a.port, b=b.port))
        process = subprocess.Popen(["haproxy", "-db", "-q", "-f", str(path)])
        try:
            end = time.monotonic() + PATIENCE_S
            while not is_up(port):
                assert process.poll() is None and time.monotonic() < end, "HAProxy does not serve"
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()
            process.wait()


def is_up(port):
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).status == 200
    except OSError:
        return False


class Restarts:
    """Of one instance after the other, for as long as a `with` block runs."""

    def __init__(self, instances):
        self.instances, self.ended = instances, threading.Event()
        self.took_s, self.codes, self.failure = [], [], None
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            while not self.ended.wait(0):
                for instance in self.instances:
                    began = time.monotonic()
                    self.codes.append(instance.stop())
                    self.took_s.append(time.monotonic() - began)
                    instance.start()
                    self.ended.wait(1)  # until HAProxy has seen it
        except BaseException as failure:
            self.failure = failure

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        if self.failure:
            raise self.failure


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--requests", type=int, default=100000)
    parser.add_argument("--short", action="store_true")
    arguments = parser.parse_args()
    bars, sent = Bars(timed=not arguments.short), requests(False, size=200)
    options = ["--role=serve", f"--drain-delay={DELAY_S}"]
    with Flooded(arguments.build, *options, batch_us=1000 * BATCH_MS) as a, Flooded(arguments.build, *options, batch_us=1000 * BATCH_MS) as b:
        with proxy(a, b) as port, Restarts([a, b]) as restarts:
            flood = a.flood(sent, 3600, CLIENTS, port=port, requests=arguments.requests)
    bars.say("requests answered with 200", flood["ok"]["count"], f"= {arguments.requests}", flood["ok"]["count"] == arguments.requests)
    bars.say("refused, late, others, broken, unanswered",
             ", ".join(str(flood[name]["count"]) for name in ("refused", "late", "other")) + f", {flood['broken']}, {flood['unanswered']}",
             "none", flood["ok"]["count"] == flood["sent"])
    bars.say("restarts", len(restarts.codes), ">= 2", len(restarts.codes) >= 2)
    bars.say("exit codes", ", ".join(map(str, sorted(set(restarts.codes)))), "0", set(restarts.codes) == {0})
    bars.say("from SIGTERM to the end, longest", f"{max(restarts.took_s):.2f} s", f"<= {DELAY_S + BATCH_MS / 1000 + GRACE_S:.2f} s",
             max(restarts.took_s) <= DELAY_S + BATCH_MS / 1000 + GRACE_S, timed=True)
    bars.exit()


main()
