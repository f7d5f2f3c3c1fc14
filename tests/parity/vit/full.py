#!/usr/bin/env python3
"""The notebook's network at its full size, 64 million parameters, against timm; and timm's transform
on the photographs at its full size. `make parity-full` runs it.

usage: full.py FACEPAIR EMBED PHOTOS      FACEPAIR the program, EMBED build/tests/parity/vit_embed
"""
import pathlib
import subprocess
import sys
import tempfile

import numpy
import timm.data
import torch
from PIL import Image
from reference import SiameseNetwork, create_notebook, save_case
from safetensors.torch import load_file

NAME, SIDE, IMAGES = "vit_mediumd_patch16_reg4_gap_256", 256, 3
EMBEDDING_BAR, LEVELS_BAR = 1e-5, 2


def run(*command):
    subprocess.run([str(part) for part in command], check=True)


def check(what, most, bar):
    print(f"{what}: largest difference {most:.3g}, at most {bar:g} allowed", flush=True)
    return most <= bar


def check_network(facepair, embed, folder):
    """From both formats, with the embeddings of the same input."""
    model = create_notebook(seed=64)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
    save_case(folder, NAME, model, None, SIDE, IMAGES, seed=65)
    torch.save(SiameseNetwork(model).state_dict(), folder / "weights.pth")
    expected = load_file(folder / "expected.safetensors")["embedding"]
    good = True
    for file, options in (("weights.safetensors", ["--config", folder / "config.json"]),
                          ("weights.pth", [])):  # as the notebook's users have it, without config
        data = folder / f"data-{file}"
        run(facepair, "import", "vit", "--weights", folder / file, "--data", data, *options)
        run(embed, data / "models/vit/1", folder / "expected.safetensors", folder / f"{file}.out")
        found = torch.from_numpy(numpy.fromfile(folder / f"{file}.out", dtype="<f4"))
        most = (found.reshape(expected.shape) - expected).abs().max().item()
        good &= check(file, most, EMBEDDING_BAR)
    return good


def check_transform(embed, folder, photos):
    """Every photograph as the checkpoint's configuration says."""
    transform = timm.data.create_transform(
        (3, SIDE, SIDE), is_training=False, interpolation="bicubic", crop_pct=0.95,
        mean=(0, 0, 0), std=(1, 1, 1))
    good = True
    for photo in sorted(path for path in photos.iterdir() if path.suffix in (".jpg", ".png")):
        run(embed, "--transform", photo, SIDE, 0.95, folder / "levels")
        found = numpy.fromfile(folder / "levels", dtype=numpy.uint8).reshape(SIDE, SIDE, 3)
        expected = transform(Image.open(photo).convert("RGB")).permute(1, 2, 0).numpy() * 255
        good &= check(photo.name, abs(found - expected).max(), LEVELS_BAR + 1e-3)
    return good


def main(facepair, embed, photos):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        transform = check_transform(embed, folder, pathlib.Path(photos))
        network = check_network(facepair, embed, folder)
    sys.exit(0 if network and transform else 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
