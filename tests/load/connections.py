#!/usr/bin/python3
"""From 64 to 1,024 connections: does any number of them slow the service down, or make it pause?

usage: tests/load/connections.py [--build build] [--seconds 10] [--short]

Each connection of the stub's sends a small request whenever it is answered. Exits 1 unless every request is answered with 200,
the throughput with any number of connections is at least half of the best, and nobody is answered for no longer than 100 ms. (With
its own loop libmicrohttpd stalls at exactly 128.) --short judges no times, and a tenth of the best is enough.
"""
import argparse

from flooded import Bars, Flooded, requests

NUMBERS, RATIO_MIN, RATIO_MIN_SHORT, GAP_MS_MAX = (64, 127, 128, 129, 256, 257, 512, 1024), 0.5, 0.1, 100
ROOM = ["--connections=2048", "--queue-ms=600000", "--prepare-queue=5000", "--embed-queue=5000", "--timeout-ms=60000"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--short", action="store_true")
    arguments = parser.parse_args()
    bars, sent = Bars(timed=not arguments.short), requests(False, size=200)
    with Flooded(arguments.build, *ROOM) as service:
        floods = {number: service.flood(sent, arguments.seconds, number) for number in NUMBERS}
        code = service.stop()
    rates = {number: flood["ok"]["in_time"] / flood["seconds"] for number, flood in floods.items()}
    least = (RATIO_MIN_SHORT if arguments.short else RATIO_MIN) * max(rates.values())
    for number, flood in floods.items():
        others = sum(flood[outcome]["count"] for outcome in ("refused", "late", "other")) + flood["broken"] + flood["unanswered"]
        bars.say(f"{number} connections: answers other than 200, or none", others, "= 0", flood["sent"] == flood["ok"]["count"])
        bars.say(f"{number} connections: answers a second, of the best", f"{rates[number]:.0f}", f">= {least:.0f}",
                 rates[number] >= least)
        bars.say(f"{number} connections: longest time without an answer", f"{flood['gap_ms']:.1f} ms", f"<= {GAP_MS_MAX} ms",
                 flood["gap_ms"] <= GAP_MS_MAX, timed=True)
    bars.say("exit code", code, "= 0", code == 0)
    bars.exit()


main()
