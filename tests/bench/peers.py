#!/usr/bin/python3
"""Compares POST /verify with DeepFace's own HTTP API on the same pairs, in interleaved rounds; run it by `make bench-peers`.

DeepFace runs as its authors serve it, under gunicorn, with 1 and with 2 workers, and the better figure counts. It is given
the same weights (model Dlib), the same detector (dlib) and the same photographs as multipart files. Only pairs that both
services answer are used. Both run on this machine, one being measured at a time.
"""
import argparse
import os
import pathlib
import statistics
import tempfile

import load

ROUNDS = 3
PAIRS = 40


def deepface(peer, workers):
    port = load.free_port()
    command = [str(peer / "bin/gunicorn"), f"--workers={workers}", "--timeout=300", f"--bind=127.0.0.1:{port}"]
    env = dict(os.environ, DEEPFACE_HOME=str(peer / "home"), DEEPFACE_FACE_RECOGNITION_MODELS="Dlib",
               DEEPFACE_FACE_DETECTION_MODELS="dlib", DEEPFACE_LOG_LEVEL="40")
    return load.Server(command + ["deepface.api.src.app:create_app()"], f"http://127.0.0.1:{port}", "/", env, 120)


def bodies_of(pair):
    """The same two files as each service names them."""
    ours = load.multipart([], [("image1", pair[0]), ("image2", pair[1])])
    theirs = load.multipart([("model_name", "Dlib"), ("detector_backend", "dlib")], [("img1", pair[0]), ("img2", pair[1])])
    return ours, theirs


def answered_by_both(pairs, ours_url, theirs_url):
    both = []
    for pair in pairs:
        ours, theirs = bodies_of(pair)
        if load.post(ours_url, ours)[0] == 200 and load.post(theirs_url, theirs)[0] == 200:
            both.append((ours, theirs))
    return both


def measure(subjects, folders, count):
    """{(name, clients): [one result of wrk a round]}"""
    results = {}
    for number in range(ROUNDS):
        for clients in (1, 16):
            for name, url, folder, seconds in subjects:
                result = load.wrk(url, folders / folder, count, clients, seconds)
                print(f"round {number + 1}: {name:20} {clients:2} clients  p50 {result['p50']:8.1f} ms  "
                      f"{result['rate']:7.2f} answers/s  faults {result['faults']}", flush=True)
                results.setdefault((name, clients), []).append(result)
    return results


def median(results, name, clients, what):
    return statistics.median(result[what] for result in results[name, clients])


def report(results, peers):
    p50 = median(results, "facepair", 1, "p50")
    rate = median(results, "facepair", 16, "rate")
    their_p50 = min(median(results, peer, 1, "p50") for peer in peers)
    their_rate = max(median(results, peer, 16, "rate") for peer in peers)
    print(f"latency, 1 client, p50:  facepair {p50:.1f} ms, DeepFace {their_p50:.1f} ms: {their_p50 / p50:.1f} times")
    print(f"throughput, 16 clients:  facepair {rate:.1f}/s, DeepFace {their_rate:.2f}/s: {rate / their_rate:.1f} times")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--peer", type=pathlib.Path, required=True, help="the virtual environment of venv.sh")
    options = parser.parse_args()
    pairs, what = load.bench_pairs(PAIRS)
    with load.facepair(options.build.resolve()) as ours, deepface(options.peer, 1) as one, deepface(options.peer, 2) as two:
        bodies = answered_by_both(pairs, ours.url + "/verify", one.url + "/verify")
        print(f"{len(bodies)} of {len(pairs)} {what} are answered by both; {os.cpu_count()} cores; {ROUNDS} rounds")
        with tempfile.TemporaryDirectory() as folder:
            folders = pathlib.Path(folder)
            load.write_bodies(folders / "ours", [ours_body for ours_body, _ in bodies])
            load.write_bodies(folders / "theirs", [their_body for _, their_body in bodies])
            subjects = [
                ("facepair", ours.url + "/verify", "ours", 6),
                ("DeepFace, 1 worker", one.url + "/verify", "theirs", 15),
                ("DeepFace, 2 workers", two.url + "/verify", "theirs", 15),
            ]
            results = measure(subjects, folders, len(bodies))
    report(results, [name for name, *_ in subjects[1:]])


main()
