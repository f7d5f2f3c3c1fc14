#!/usr/bin/python3
"""Holds POST /v1/verify against `facepair evaluate`: the same pairs of LFW must have the same distances, to 1e-5.

usage: FACEPAIR_LFW=FOLDER tests/load/same_distances.py [--build build]

evaluate embeds each image once, in batches; the server embeds both images of each pair, in whatever batches 8 clients
give. Where evaluate finds no face in one of the images, the server must say no_face.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
import load

TOLERANCE = 1e-5
CLIENTS = 8


def evaluated(build, pairs_file, images):
    """{(image1, image2): distance} as `facepair evaluate` writes them"""
    with tempfile.NamedTemporaryFile("r", suffix=".tsv") as file:
        subprocess.run(
            [build / "facepair", "evaluate", "dlib-resnet", "--pairs", pairs_file, "--images", images,
             "--face=largest", "--no-face=reject", "--distances", file.name],
            check=True, cwd=load.TREE)
        rows = [line.rstrip("\n").split("\t") for line in file.readlines()[1:]]
    return {(first, second): float(distance) for _, distance, first, second in rows}


def pairs_listed(pairs_file):
    """[(image1, image2)] relative to the images' folder"""
    pairs = []
    for line in pairs_file.read_text().splitlines()[1:]:
        words = line.split()
        first, second = (words[0], words[1]), (words[-2] if len(words) == 4 else words[0], words[-1])
        pairs.append(tuple(f"{name}/{name}_{int(number):04d}.jpg" for name, number in (first, second)))
    return pairs


def served(url, images, pair):
    body = load.multipart([("face", "largest")], [("image1", images / pair[0]), ("image2", images / pair[1])])
    status, answer = load.post(url + "/v1/verify", body)
    answer = json.loads(answer)
    return answer["distance"] if status == 200 else answer["code"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=load.TREE / "build")
    parser.add_argument("--pairs", type=int, help="only so many, for a quick look")
    options = parser.parse_args()
    lfw = pathlib.Path(os.environ["FACEPAIR_LFW"])
    pairs_file, images = lfw / "pairsDevTrain.txt", lfw / "lfw-deepfunneled"

    offline = evaluated(options.build.resolve(), pairs_file, images)
    pairs = pairs_listed(pairs_file)[: options.pairs]
    with load.facepair(options.build.resolve()) as server, concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        online = list(pool.map(lambda pair: served(server.url, images, pair), pairs))

    compared, worst, faults = 0, 0.0, []
    for pair, answer in zip(pairs, online):
        expected = offline.get(pair, "no_face")
        if isinstance(answer, float) and isinstance(expected, float):
            compared += 1
            worst = max(worst, abs(answer - expected))
            if abs(answer - expected) > TOLERANCE:
                faults.append((pair, answer, expected))
        elif answer != expected:
            faults.append((pair, answer, expected))
    for pair, answer, expected in faults[:20]:
        print(f"{pair[0]} x {pair[1]}: POST /v1/verify says {answer}, evaluate {expected}")
    print(f"{len(pairs)} pairs, {compared} with a face in both images: largest difference {worst:.2g}; "
          f"{len(faults)} disagree (beyond {TOLERANCE:g}, or on whether there is a face)")
    return 1 if faults or not compared else 0


sys.exit(main())
