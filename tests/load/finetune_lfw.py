#!/usr/bin/env python3
"""What fine-tuning is worth: the default model on degraded photographs of LFW, and with a broken last block.

usage: FACEPAIR_LFW=FOLDER finetune_lfw.py degraded|broken|all [RECIPE…]     (build first; needs Pillow)

degraded  Each image is reduced to 60×60 pixels, stored as JPEG of quality 50 and enlarged again. The model learns on
          70 % of the people (of whom one in ten is for validation and one in ten for thresholds) and is tested on the
          other 30 %: all pairs of one person among at most 5 images of each (at most 3,000), and 3,000 pairs of two.
          Told: the base's accuracy on the undegraded images of the same people, on the degraded ones, and the version's.
broken    The last block's weights are drawn at random, and learned again on the images as they are.

Data and scratch stand in FACEPAIR_SCRATCH (default: a temporary folder that is removed).
"""
import hashlib
import io
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor

import random

from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("FACEPAIR_BUILD", ROOT / "build")) / "facepair"
DATA = pathlib.Path(os.environ.get("FACEPAIR_DATA", ROOT / "data"))

# LFW's labels are of the face nearest the centre; that of somebody in the background would be learned as theirs.
FACE = ["--face", "centre"]
# What each loss and choice of what is trained is run with. The first is the one that the figures are claimed for.
VIEWS = ["--views", "4", "--rotation", "8", "--zoom", "0.1", "--shift", "0.05"]
MINED = ["--mining", "batch_hard", "--batch-size", "64", *VIEWS]
HARD = [*MINED, "--average", "0.995", "--patience", "2"]
SLOW, EARLY = ["--learning-rate", "5e-5"], "stem*,blocks.?.*"
RECIPES = {
    "hard-all-blend": [*MINED, "--learning-rate", "1e-4", "--trainable", "all", "--epochs", "20", "--patience", "20",
                       "--average", "0.999", "--blend", "0.6"],
    "hard-early": [*HARD, "--learning-rate", "1e-4", "--trainable", EARLY, "--epochs", "8"],
    "hard-earlier": [*HARD, "--learning-rate", "1e-4", "--epochs", "8", "--trainable",
                     "stem*,blocks.0.*,blocks.1.*,blocks.2.*,blocks.3.*,blocks.4.*"],
    "hard-early-fast": [*HARD, "--learning-rate", "2e-4", "--trainable", EARLY, "--epochs", "12"],
    "hard-all": [*HARD, *SLOW, "--trainable", "all", "--epochs", "10"],
    "contrastive-early": [*VIEWS, "--average", "0.995", "--patience", "2", "--learning-rate", "1e-4", "--trainable", EARLY,
                          "--epochs", "5"],
    "contrastive-last": ["--epochs", "10", "--views", "2"],
    "contrastive-last-slow": ["--epochs", "10", "--views", "2", "--learning-rate", "1e-4"],
    "contrastive-last-3": ["--epochs", "10", "--views", "2", "--learning-rate", "1e-4", "--trainable", "last_3"],
    "contrastive-all": ["--epochs", "6", "--views", "2", "--learning-rate", "5e-5", "--trainable", "all"],
    "hard-last": [*HARD, *SLOW, "--epochs", "10"],
    "hard-last-4": [*HARD, *SLOW, "--trainable", "last_4", "--epochs", "10"],
    "cosface-last": ["--loss", "cosface", "--epochs", "10", "--views", "2", "--batch-size", "64"],
    "arcface-last": ["--loss", "arcface", "--epochs", "10", "--views", "2", "--batch-size", "64"],
}


# Random weights of the usual size leave the skip path as loud as what they make, and random features keep distances:
# such a network is at 97.7 % without any training. Embeddings of loud ones are as much longer, so that only a loss of
# angles finds them where it begins.
LOUD = 20
MEND = ["--loss", "cosface", "--batch-size", "64", "--epochs", "12", "--views", "2"]


def degrade(job):
    source, target = job
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        whole = Image.open(path).convert("RGB")
        small = io.BytesIO()
        whole.resize((60, 60), Image.BICUBIC).save(small, "JPEG", quality=50)
        Image.open(small).convert("RGB").resize(whole.size, Image.BICUBIC).save(target / path.name, "JPEG", quality=95)


def degraded_images(lfw, scratch):
    target = scratch / "degraded"
    if not target.exists():
        with ProcessPoolExecutor(2) as pool:
            list(pool.map(degrade, [(person, target / person.name) for person in sorted(lfw.iterdir())], chunksize=50))
    return target


def break_last_block(data):
    """dlib-resnet with random weights in blocks.13, as the model "broken"."""
    base, model = data / "models/dlib-resnet", data / "models/broken"
    if model.exists():
        return
    shutil.copytree(base / "1", model / "1")
    path = model / "1/weights.safetensors"
    raw = bytearray(path.read_bytes())
    length = struct.unpack("<Q", raw[:8])[0]
    draw = random.Random(1)
    for name, tensor in json.loads(raw[8:8 + length]).items():
        if not name.startswith("blocks.13."):
            continue
        start, end = (8 + length + offset for offset in tensor["data_offsets"])
        shape = tensor["shape"]
        fan_in = 1
        for size in shape[1:]:
            fan_in *= size
        spread = LOUD * (2 / fan_in) ** 0.5 if len(shape) > 1 else 0
        values = [draw.gauss(0, spread) for _ in range((end - start) // 4)]
        raw[start:end] = struct.pack(f"<{len(values)}f", *values)
    path.unlink()
    path.write_bytes(raw)
    card = json.loads((model / "1/model.json").read_text())
    card["name"] = "broken"
    card["weights"]["sha256"] = hashlib.sha256(raw).hexdigest()
    (model / "1/model.json").write_text(json.dumps(card))
    (model / "1/evaluation.json").unlink(missing_ok=True)
    (model / "active").write_text("1\n")


def finetune(data, images, model, name, options):
    """evaluation.json's comparison, and the seconds that it all took."""
    begun = time.monotonic()
    command = [PROGRAM, "finetune", model, "--images", images, "--data", data, "--name", name, "--json",
               "--cache-bytes", str(1 << 34), *FACE, *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)["comparison"], time.monotonic() - begun


def row(name, comparison, seconds):
    base, candidate, accuracy, refused = (comparison[key] for key in ("base", "candidate", "more_accurate", "fewer_refused"))
    print(f"{name:22} accuracy {100 * base['accuracy']:6.2f} -> {100 * candidate['accuracy']:6.2f} %"
          f"  ({100 * accuracy['value']:+.2f}, {100 * accuracy['low']:+.2f} to {100 * accuracy['high']:+.2f})"
          f"  FNMR at {comparison['operating_fmr']:g}: {100 * base['fnmr']:.1f} -> {100 * candidate['fnmr']:.1f} %"
          f"  ({100 * refused['value']:+.1f}, {100 * refused['low']:+.1f} to {100 * refused['high']:+.1f})"
          f"  FMR {base['fmr']:.2g} -> {candidate['fmr']:.2g}  better {comparison['better']}  {seconds / 60:.1f} min",
          flush=True)


def main(what, recipes):
    lfw = pathlib.Path(os.environ["FACEPAIR_LFW"]) / "lfw-deepfunneled"
    kept = os.environ.get("FACEPAIR_SCRATCH")
    scratch = pathlib.Path(kept or tempfile.mkdtemp(prefix="facepair-finetune-"))
    data = scratch / "data"
    if not data.exists():
        shutil.copytree(DATA, data)
    try:
        if what in ("degraded", "all"):
            # One step that changes next to nothing: the base on the images as they are, on the same people.
            idle = ["--epochs", "1", "--views", "1", "--learning-rate", "1e-12"]
            clean, _ = finetune(data, lfw, "dlib-resnet@1", "idle", idle)
            print(f"undegraded: {100 * clean['base']['accuracy']:.2f} % of {clean['genuine_pairs_listed']} pairs of one "
                  f"person and {clean['impostor_pairs_listed']} of two", flush=True)
            images = degraded_images(lfw, scratch)
            for name in recipes or RECIPES:
                comparison, seconds = finetune(data, images, "dlib-resnet@1", name, RECIPES[name])
                row(name, comparison, seconds)
                lost = clean["base"]["accuracy"] - comparison["base"]["accuracy"]
                print(f"{'':22} of {100 * lost:.2f} points lost came back "
                      f"{100 * comparison['more_accurate']['value'] / lost:.1f} %", flush=True)
        if what in ("broken", "all"):
            break_last_block(data)
            comparison, seconds = finetune(data, lfw, "broken@1", "mended", MEND)
            row("broken last block", comparison, seconds)
    finally:
        if not kept:
            shutil.rmtree(scratch)


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in ("degraded", "broken", "all"):
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
