#!/usr/bin/python3
"""1,000 sockets that dawdle (slowhttptest: with headers, with bodies, with reading): does a good client notice?

usage: tests/load/slow_clients.py [--build build] [--real] [--seconds 30] [--short]

A good client sends a request whenever it is answered, without the slow ones and with them. Exits 1 unless all that it sends is
answered with 200 and its p99 with each kind of slow one is at most twice the one without. With --real the program on pairs of
photographs, else the stub at 5 ms a face. --short (100 sockets, 3 s) judges no times.
"""
import argparse
import subprocess
import time

from flooded import Bars, Flooded, requests

P99_RATIO_MAX = 2
# On a connection a second for each of them for 10 s would last longer than the test: 500 a second.
COMMON = ["-r", "500", "-p", "3"]
KINDS = {
    "-H, headers": ["-H", "-i", "5", "-x", "24", "-t", "GET", "-u", "/v1/models"],
    "-B, bodies": ["-B", "-i", "5", "-x", "24", "-s", "8192", "-t", "POST", "-u", "/v1/verify",
                   "-f", "multipart/form-data; boundary=slow"],
    "-X, reading": ["-X", "-w", "16", "-y", "32", "-n", "5", "-z", "8", "-k", "3", "-t", "GET", "-u", "/openapi.json"],
}


class Slow:
    """slowhttptest, while a `with` block runs."""

    def __init__(self, service, options, sockets, seconds):
        options = list(options)
        where = options.index("-u") + 1
        options[where] = f"http://127.0.0.1:{service.port}{options[where]}"
        self.command = ["slowhttptest", "-c", str(sockets), "-l", str(int(seconds) + 60), *COMMON, *options]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        self.ended_early = self.process.poll() is not None
        self.process.terminate()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--short", action="store_true")
    arguments = parser.parse_args()
    sockets, seconds = (100, 3) if arguments.short else (1000, arguments.seconds)
    bars, sent = Bars(timed=not arguments.short), requests(arguments.real)
    for kind, options in KINDS.items():
        with Flooded(arguments.build, real=arguments.real, face_us=5000) as service:
            service.flood(sent, 1, 1)
            calm = service.flood(sent, seconds, 1)
            with Slow(service, options, sockets, seconds) as slow:
                time.sleep(sockets / 500 + 1)
                most = service.descriptors()
                beside = service.flood(sent, seconds, 1)
            refused = service.metric('facepair_rejected_total{reason="timeout"}') + service.metric('facepair_rejected_total{reason="crowded"}')
            code = service.stop()
        bars.say(f"{kind}: files open meanwhile; cut off", f"{most}, {refused:.0f}", f"> {sockets // 2} open", most > sockets // 2, timed=True)
        bars.say(f"{kind}: answers other than 200, or none", beside["sent"] - beside["ok"]["count"], "= 0",
                 beside["sent"] == beside["ok"]["count"] > 0)
        bars.say(f"{kind}: p99 of a good client, without and with", f"{calm['ok']['p99']:.1f}, {beside['ok']['p99']:.1f} ms",
                 f"<= {P99_RATIO_MAX} times", beside["ok"]["p99"] <= P99_RATIO_MAX * calm["ok"]["p99"], timed=True)
        bars.say(f"{kind}: exit code", code, "= 0", code == 0)
        bars.say(f"{kind}: slowhttptest ended by itself", "yes" if slow.ended_early else "no", "only if all its sockets were cut off",
                 not slow.ended_early or refused >= sockets)
    bars.exit()


main()
