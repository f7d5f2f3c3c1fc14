#!/usr/bin/python3
"""Three times as much as can be served, in an open loop: is as much answered as before, the rest refused at once?

usage: tests/load/overload.py [--build build] [--real] [--seconds 60] [--short]

The capacity is what 32 clients are answered when each waits for its answer. Then three times as many requests fall due a second,
whatever becomes of those before. Then the capacity is taken once more, since a machine that is shared has another pace each minute,
and what was answered is compared with the mean of both. Exits 1 unless 95 % of the capacity is answered with 200; the others are
refused with 503 and nothing else, 99 % of them within 10 ms; 99 % of the answers with 200 come within twice the queue's time
(--queue-ms); the resident size keeps within 5 % of its median from a tenth of the run to its end; and the stub, whose pace is its
own, has 95 % of its capacity left. With --real the program on pairs of photographs, else the stub at 5 ms a face. --short judges no
times, and half of the capacity is enough.
"""
import argparse
import statistics

from flooded import Bars, Flooded, Sampled, requests

QUEUE_MS, FACTOR, CONNECTIONS, CLIENTS = 1000, 3, 900, 32
GOODPUT_MIN, GOODPUT_MIN_SHORT, LEFT_MIN, REFUSED_MS_MAX, RESIDENT_SHARE = 0.95, 0.5, 0.95, 10, 0.05


def capacity(service, sent, seconds):
    """Answers a second."""
    calm = service.flood(sent, seconds, CLIENTS)
    answered = calm["ok"]["in_time"] / calm["seconds"]
    print(f"capacity: {answered:.0f} a second; alone p99 {calm['ok']['p99']:.0f} ms")
    return answered


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--short", action="store_true")
    arguments = parser.parse_args()
    bars, sent = Bars(timed=not arguments.short), requests(arguments.real)
    with Flooded(arguments.build, f"--queue-ms={QUEUE_MS}", real=arguments.real, face_us=5000) as service:
        service.flood(sent, arguments.seconds / 20, CLIENTS)
        before = capacity(service, sent, arguments.seconds / 4)
        with Sampled(service, 0.5) as sampled:
            flood = service.flood(sent, arguments.seconds, CONNECTIONS, rate=FACTOR * before)
        after = capacity(service, sent, arguments.seconds / 4)
        bars.say("the service afterwards", service.get("/readyz")[0], "= 200", service.get("/readyz")[0] == 200)
        left = service.stop()
    ok, refused = flood["ok"], flood["refused"]
    goodput, goodput_min = ok["in_time"] / flood["seconds"] / statistics.mean((before, after)), GOODPUT_MIN
    if arguments.short:
        goodput_min = GOODPUT_MIN_SHORT
    resident = [size for at, size, _ in sampled.samples if arguments.seconds / 10 < at < arguments.seconds]
    median = statistics.median(resident)
    spread = max(abs(size - median) for size in resident) / median
    bars.say("exit code", left, "= 0", left == 0)
    bars.say("refused with 503 and answered with 200", f"{refused['count']}, {ok['count']}", "both some",
             min(refused["count"], ok["count"]) > 0)
    bars.say("other answers, broken connections, never answered",
             f"{flood['other']['count']}, {flood['broken']}, {flood['unanswered']}", "none",
             flood["other"]["count"] + flood["broken"] + flood["unanswered"] == 0)
    bars.say("answered with 504", flood["late"]["count"], "< 1 % of those taken", 100 * flood["late"]["count"] < ok["count"],
             timed=True)
    bars.say("requests that fell due and found no connection", flood["unsent"], "= 0", flood["unsent"] == 0, timed=True)
    bars.say("answered with 200, of the capacity", f"{goodput:.3f}", f">= {goodput_min}", goodput >= goodput_min)
    bars.say("the capacity afterwards, of that before", f"{after / before:.3f}", f">= {LEFT_MIN}", after >= LEFT_MIN * before,
             timed=True, judged=not arguments.real)
    bars.say("refused within, p50, p99", f"{refused['p50']:.1f}, {refused['p99']:.1f} ms", f"<= {REFUSED_MS_MAX} ms",
             refused["p99"] <= REFUSED_MS_MAX, timed=True)
    bars.say("answered with 200 within, p50, p99", f"{ok['p50']:.0f}, {ok['p99']:.0f} ms", f"<= {2 * QUEUE_MS} ms",
             ok["p99"] <= 2 * QUEUE_MS, timed=True)
    bars.say("resident size off its median", f"{100 * spread:.1f} % of {median / 2**20:.0f} MiB", f"<= {RESIDENT_SHARE:.0%}",
             spread <= RESIDENT_SHARE, timed=True)
    bars.exit()


main()
