#!/usr/bin/python3
"""At 70 % of what it can serve, for long: does the service grow, and does it fail?

usage: tests/load/soak.py [--build build] [--real] [--minutes 30] [--share 0.7]

The capacity is what 16 clients are answered; then a share of it falls due in an open loop. Resident size and descriptors are taken
each second and, from a fifth of the time on, laid a line through by least squares. Exits 1 unless every request was answered with
200, and over the time looked at neither line rises by more than twice its standard error or 1 % of its mean, whichever is more.
A sanitizer's allocator keeps what is freed: of such a build the resident size is told and not judged.
"""
import argparse

import numpy
from flooded import Bars, Flooded, Sampled, requests

CLIENTS, CONNECTIONS_MAX, WARM_SHARE, RISE_SHARE, ERRORS = 16, 64, 0.2, 0.01, 2


def rise(times, values):
    """(rise over the time, its standard error). Samples a second apart are not independent, so the error is told of means of a
    tenth of them each."""
    parts = min(10, len(values))
    times = numpy.array([part.mean() for part in numpy.array_split(numpy.array(times, float), parts)])
    values = numpy.array([part.mean() for part in numpy.array_split(numpy.array(values, float), parts)])
    apart = times - times.mean()
    slope = (apart * values).sum() / (apart**2).sum()
    left = values - values.mean() - slope * apart
    error = numpy.sqrt((left**2).sum() / (parts - 2) / (apart**2).sum())
    length = times[-1] - times[0]
    return slope * length, error * length


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--share", type=float, default=0.7, help="of the capacity; less where neighbours may take some of it")
    arguments = parser.parse_args()
    seconds, bars, sent = 60 * arguments.minutes, Bars(timed=True), requests(arguments.real)
    with Flooded(arguments.build, real=arguments.real, face_us=5000) as service:
        calm = service.flood(sent, max(5, seconds / 60), CLIENTS)
        rate = arguments.share * calm["ok"]["count"] / calm["seconds"]
        connections = max(1, min(CONNECTIONS_MAX, int(rate * WARM_SHARE * seconds / 2)))  # each open before it counts
        with Sampled(service) as sampled:
            flood = service.flood(sent, seconds, connections, rate=rate)
        code = service.stop()
    looked_at = [sample for sample in sampled.samples if sample[0] > WARM_SHARE * seconds]
    times, resident, files = zip(*looked_at)
    print(f"{rate:.1f} requests a second for {seconds:.0f} s, p50 {flood['ok']['p50']:.0f} ms, p99 {flood['ok']['p99']:.0f} ms")
    bars.say("answers other than 200, or none", flood["sent"] - flood["ok"]["count"], "= 0", flood["sent"] == flood["ok"]["count"] > 0)
    bars.say("exit code", code, "= 0", code == 0)
    for what, values, judged in (
        ("resident size, MiB", [size / 2**20 for size in resident], not service.sanitized),
        ("descriptors", files, True),
    ):
        risen, error = rise(times, values)
        most = max(ERRORS * error, RISE_SHARE * sum(values) / len(values))
        bars.say(f"{what}: mean, rise", f"{sum(values) / len(values):.1f}, {risen:+.2f}", f"<= {most:.2f}", risen <= most, judged=judged)
    bars.exit()


main()
