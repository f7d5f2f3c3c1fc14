#!/usr/bin/python3
"""320 clients leave before their answers: what does one who stays wait, and is what they asked for computed?

usage: tests/load/abandoned.py [--build build] [--rounds 20] [--short]

The stub's network takes 100 ms a batch: 320 pairs one by one would then be within the longest deadline. A round: 320 requests are
sent and their connections closed, and at once a client that stays sends one. Exits 1 unless, in the median of the rounds, he waits
at most 1.5 batches longer than alone, and of all rounds 95 % of the faces of those who left were never computed and 95 % of their
requests were counted as left. --short (one round) judges no times, and half of each is enough: how many are gone before their turn
depends on the machine's pace.
"""
import argparse
import http.client
import socket
import statistics
import time

from flooded import Bars, Flooded, load, requests

LEAVERS, BATCH_MS, WAIT_BATCHES_MAX, SKIPPED_MIN, SKIPPED_MIN_SHORT = 320, 100, 1.5, 0.95, 0.5
ROOM = ["--queue-ms=600000", "--prepare-queue=2000", "--embed-queue=2000", "--timeout-ms=60000"]  # nobody is refused
FACES, COUNTED = 'facepair_batch_size_sum{model="dlib-resnet"}', 'facepair_rejected_total{reason="client_left"}'


def ask(service, body):
    """ms until the answer"""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
    connection.request("POST", "/v1/verify", body, {"Content-Type": f"multipart/form-data; boundary={load.BOUNDARY}"})
    assert connection.getresponse().status == 200
    connection.close()
    return 1000 * (time.monotonic() - began)


def leave(service, request):
    """All send, then all close, with nothing read."""
    sockets = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(LEAVERS)]
    for connection in sockets:
        connection.sendall(request)
    for connection in sockets:
        connection.close()


def rest(service):
    """Until nothing is under way but the question itself."""
    while service.metric("facepair_http_in_flight") > 1:
        time.sleep(0.05)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--short", action="store_true")
    arguments = parser.parse_args()
    rounds, least = (1, SKIPPED_MIN_SHORT) if arguments.short else (arguments.rounds, SKIPPED_MIN)
    bars, sent = Bars(timed=not arguments.short), requests(False, size=200)
    body = sent[0].split(b"\r\n\r\n", 1)[1]
    with Flooded(arguments.build, *ROOM, batch_us=1000 * BATCH_MS) as service:
        alone = statistics.median(ask(service, body) for _ in range(5))
        waits, faces, counted = [], service.metric(FACES), service.metric(COUNTED)
        assert faces == 2 * 5, "what is computed is counted"
        for _ in range(rounds):
            leave(service, sent[1])
            waits.append((ask(service, body) - alone) / BATCH_MS)
            rest(service)
        computed = service.metric(FACES) - faces - 2 * rounds
        counted = service.metric(COUNTED) - counted
        code = service.stop()
    skipped = 1 - computed / (2 * LEAVERS * rounds)
    bars.say("exit code", code, "= 0", code == 0)
    bars.say("faces of those who left, not computed", f"{skipped:.3f}", f">= {least}", skipped >= least)
    bars.say("requests counted as left, of all", f"{counted:.0f} of {LEAVERS * rounds}", f">= {least}",
             counted >= least * LEAVERS * rounds)
    bars.say("one who stays waits longer than alone, in batches",
             f"{statistics.median(waits):.2f} ({min(waits):.2f}-{max(waits):.2f})", f"<= {WAIT_BATCHES_MAX}",
             statistics.median(waits) <= WAIT_BATCHES_MAX, timed=True)
    bars.exit()


main()
