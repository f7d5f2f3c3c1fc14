#!/usr/bin/python3
"""At 70 % of what it can serve, for long: does the service grow, and does it fail?

usage: tests/load/soak.py [--build build] [--real] [--minutes 30] [--share 0.7]

The capacity is what 16 clients are answered; then a share of it falls due in an open loop. Before both comes the largest crowd that
this loop can become: an allocator keeps the size that its largest crowd so far needed, which is no leak. A leak could fill what is
kept: so the same crowd comes again at the end, and must need no more. Resident size and descriptors are taken each second and, from
a fifth of the time on, laid a line through by least squares. Exits 1 unless every request was answered with 200; over the time
looked at neither line rises by more than twice its standard error or 1 % of its mean, whichever is more; and after the last crowd
the resident size is at most 2 % above that after the first. The means of ten parts are told too: a leak climbs through all of them.
A sanitizer's allocator keeps what is freed: of such a build the resident size is told and not judged.
"""
import argparse

import numpy
from flooded import Bars, Flooded, Sampled, requests

CLIENTS, CONNECTIONS_MAX, WARM_SHARE, RISE_SHARE, CROWD_SHARE, ERRORS, PARTS = 16, 64, 0.2, 0.01, 0.02, 2, 10


def in_parts(values):
    """The means of ten parts. Samples a second apart are not independent; these nearly are."""
    return numpy.array([part.mean() for part in numpy.array_split(numpy.array(values, float), min(PARTS, len(values)))])


def rise(times, values):
    """(rise over the time, its standard error), of means"""
    apart = times - times.mean()
    slope = (apart * values).sum() / (apart**2).sum()
    left = values - values.mean() - slope * apart
    error = numpy.sqrt((left**2).sum() / (len(values) - 2) / (apart**2).sum())
    length = times[-1] - times[0]
    return slope * length, error * length


def crowd(service, sent, seconds):
    """MiB that are resident after it"""
    service.flood(sent, max(5, seconds / 60), CONNECTIONS_MAX)
    return service.resident_bytes() / 2**20


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--share", type=float, default=0.7, help="of the capacity; less where neighbours may take some of it")
    arguments = parser.parse_args()
    seconds, bars, sent = 60 * arguments.minutes, Bars(timed=True), requests(arguments.real)
    with Flooded(arguments.build, real=arguments.real, face_us=5000) as service:
        crowds = [crowd(service, sent, seconds) for _ in range(2)]
        calm = service.flood(sent, max(5, seconds / 60), CLIENTS)
        rate = arguments.share * calm["ok"]["count"] / calm["seconds"]
        connections = max(1, min(CONNECTIONS_MAX, int(rate * WARM_SHARE * seconds / 2)))  # each open before it counts
        with Sampled(service) as sampled:
            flood = service.flood(sent, seconds, connections, rate=rate)
        crowds.append(crowd(service, sent, seconds))
        code = service.stop()
    looked_at = [sample for sample in sampled.samples if sample[0] > WARM_SHARE * seconds]
    times, resident, files = zip(*looked_at)
    print(f"{rate:.1f} requests a second for {seconds:.0f} s, p50 {flood['ok']['p50']:.0f} ms, p99 {flood['ok']['p99']:.0f} ms")
    answered = flood["ok"]["count"]
    bars.say("answers other than 200, or none", flood["sent"] - answered, "= 0", flood["sent"] == answered > 0)
    bars.say("exit code", code, "= 0", code == 0)
    for what, values, judged in (
        ("resident size, MiB", [size / 2**20 for size in resident], not service.sanitized),
        ("descriptors", files, True),
    ):
        means = in_parts(values)
        risen, error = rise(in_parts(times), means)
        noise, share = ERRORS * error, RISE_SHARE * means.mean()
        bars.say(f"{what}: mean, rise", f"{means.mean():.1f}, {risen:+.2f}", f"<= {noise:.2f} or {share:.2f}",
                 risen <= max(noise, share), judged=judged)
        print("  in parts:", *(f"{mean:.1f}" for mean in means))
    bars.say("resident size after each crowd, MiB", ", ".join(f"{size:.1f}" for size in crowds), f"the last <= +{CROWD_SHARE:.0%}",
             crowds[-1] <= (1 + CROWD_SHARE) * max(crowds[:-1]), judged=not service.sanitized)
    bars.exit()


main()
