#!/usr/bin/python3
"""Two instances behind HAProxy are restarted in turn, again and again: does one request fail?

usage: tests/load/rolling.py [--build build] [--requests 100000]

HAProxy tries nothing twice (retries 0) and asks each instance's /readyz every 100 ms. 16 clients send as many requests through it
while one instance after the other gets SIGTERM, drains for its --drain-delay of 1 s, ends, is started anew, and is up for HAProxy. Exits 1 when a
request was answered with anything but 200 or not at all, when an instance ended otherwise than with 0, when none was restarted
twice, or when one took longer to end than its delay, its batch (20 ms) and 1 s, which --short does not judge.
"""
import argparse
import csv
import pathlib
import socket
import subprocess
import tempfile
import threading
import time

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
    timeout check 10s
    option httpchk GET /readyz
    http-check send hdr Host localhost
    default-server check inter 100ms fall 1 rise 1
frontend front
    bind 127.0.0.1:{port}
    default_backend back
backend back
    balance roundrobin
    server instance0 127.0.0.1:{a}
    server instance1 127.0.0.1:{b}
"""


class Proxy:
    """HAProxy in front of both instances, for the length of a `with` block."""

    def __init__(self, a, b):
        self.folder = tempfile.TemporaryDirectory()
        self.port, folder = load.free_port(), pathlib.Path(self.folder.name)
        (folder / "haproxy.cfg").write_text(CONFIGURATION.format(folder=folder, port=self.port, a=a.port, b=b.port))
        self.socket = folder / "haproxy.sock"
        self.process = subprocess.Popen(["haproxy", "-db", "-q", "-f", str(folder / "haproxy.cfg")])

    def __enter__(self):
        self.wait_until_up()
        return self

    def are_up(self):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.socket))
            connection.sendall(b"show stat\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        rows = csv.DictReader(answer.lstrip("# ").splitlines())
        return [row["status"] for row in rows if row["svname"].startswith("instance")] == ["UP", "UP"]

    def wait_until_up(self):
        end = time.monotonic() + PATIENCE_S
        while not (self.socket.exists() and self.are_up()):
            assert self.process.poll() is None and time.monotonic() < end, "HAProxy has no two instances"
            time.sleep(0.05)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


class Restarts:
    """Of one instance after the other, for as long as a `with` block runs."""

    def __init__(self, instances, proxy):
        self.instances, self.proxy, self.ended = instances, proxy, threading.Event()
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
                    self.proxy.wait_until_up()
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
    options = ["--role=serve", "--lockout=off", f"--drain-delay={DELAY_S}"]
    with Flooded(arguments.build, *options, batch_us=1000 * BATCH_MS) as a, Flooded(arguments.build, *options, batch_us=1000 * BATCH_MS) as b:
        with Proxy(a, b) as proxy, Restarts([a, b], proxy) as restarts:
            flood = a.flood(sent, 3600, CLIENTS, port=proxy.port, requests=arguments.requests)
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
