#!/usr/bin/python3
"""1,000 sockets that dawdle (slowhttptest: with headers, with bodies, with reading): does a good client notice?

usage: tests/load/slow_clients.py [--build build] [--real] [--seconds 30] [--short]

Good clients send requests that fall due at even distances, half as many as one of them would be answered alone, without the slow
ones and with them; each time slowhttptest has had all its sockets cut off it begins anew. Exits 1 unless all that falls due is
answered with 200, the p99 with each kind of slow one is at most twice the one without, and most of the time more than half of the
slow sockets are open. With --real the program on pairs of photographs, else the stub at 5 ms a face. --short (100 sockets, 3 s)
judges no times.
"""
import argparse
import statistics
import subprocess
import threading
import time

from flooded import Bars, Flooded, Sampled, requests

P99_RATIO_MAX, GOOD_CLIENTS, RATE_SHARE = 2, 4, 0.5
# On a connection a second for each of them for 10 s would last longer than the test: 500 a second.
COMMON = ["-r", "500", "-p", "3"]
KINDS = {
    "-H, headers": ["-H", "-i", "5", "-x", "24", "-t", "GET", "-u", "/v1/models"],
    "-B, bodies": ["-B", "-i", "5", "-x", "24", "-s", "8192", "-t", "POST", "-u", "/v1/verify",
                   "-f", "multipart/form-data; boundary=slow"],
    "-X, reading": ["-X", "-w", "16", "-y", "32", "-n", "5", "-z", "8", "-k", "3", "-t", "GET", "-u", "/openapi.json"],
}


class Slow:
    """slowhttptest, again and again, while a `with` block runs."""

    def __init__(self, service, options, sockets, seconds):
        options = list(options)
        where = options.index("-u") + 1
        options[where] = f"http://127.0.0.1:{service.port}{options[where]}"
        self.command = ["slowhttptest", "-c", str(sockets), "-l", str(int(seconds) + 60), *COMMON, *options]

    def run(self):
        while not self.over.is_set():
            self.rounds += 1
            process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while process.poll() is None and not self.over.wait(0.1):
                pass
            process.terminate()
            process.wait()

    def __enter__(self):
        self.rounds, self.over, self.thread = 0, threading.Event(), threading.Thread(target=self.run)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


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
            alone = service.flood(sent, 2, 1)
            rate = RATE_SHARE * alone["ok"]["count"] / alone["seconds"]
            calm, few = service.flood(sent, seconds, GOOD_CLIENTS, rate=rate), service.descriptors()
            with Slow(service, options, sockets, seconds) as slow:
                time.sleep(sockets / 500 + 1)
                with Sampled(service, 0.2) as sampled:
                    beside = service.flood(sent, seconds, GOOD_CLIENTS, rate=rate)
            refused = sum(service.metric(f'facepair_rejected_total{{reason="{reason}"}}') for reason in ("timeout", "crowded"))
            code = service.stop()
        opened = [files - few for at, _, files in sampled.samples if at < seconds]
        half_of_the_time = statistics.median(opened)
        bars.say(f"{kind}: slow sockets open, median and most", f"{half_of_the_time:.0f}, {max(opened)}", f"> {sockets // 2}",
                 half_of_the_time > sockets // 2, timed=True)
        bars.say(f"{kind}: cut off; rounds of slowhttptest", f"{refused:.0f}; {slow.rounds}", "a round only when all were",
                 refused >= (slow.rounds - 1) * sockets)
        bars.say(f"{kind}: answers other than 200, or none", beside["sent"] - beside["ok"]["count"], "= 0",
                 beside["sent"] == beside["ok"]["count"] > 0)
        bars.say(f"{kind}: good requests that found no connection", beside["unsent"], "= 0", beside["unsent"] == 0, timed=True)
        bars.say(f"{kind}: p99 of good clients, without and with", f"{calm['ok']['p99']:.1f}, {beside['ok']['p99']:.1f} ms",
                 f"<= {P99_RATIO_MAX} times", beside["ok"]["p99"] <= P99_RATIO_MAX * calm["ok"]["p99"], timed=True)
        bars.say(f"{kind}: exit code", code, "= 0", code == 0)
    bars.exit()


main()
