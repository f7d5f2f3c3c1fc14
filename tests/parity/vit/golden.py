#!/usr/bin/env python3
"""Makes the golden files of this folder with timm's own networks and evaluation transform.

usage: golden.py PHOTOS      (with the packages of requirements.txt)
"""
import json
import pathlib
import sys

import timm.data
import torch
from PIL import Image
from reference import SiameseNetwork, create, draw_weights, save_case
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
NAME = "vit_mediumd_patch16_reg4_gap_256"

# The notebook's choices, and two networks of the family that choose otherwise wherever they can.
CASES = {
    "notebook": dict(img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=2, mlp_ratio=3,
                     class_token=False, reg_tokens=4, no_embed_class=True, init_values=1e-5,
                     global_pool="avg"),
    "class-token": dict(img_size=32, patch_size=8, embed_dim=16, depth=2, num_heads=4, mlp_ratio=4,
                        class_token=True, global_pool="token"),
    "prefix": dict(img_size=24, patch_size=8, embed_dim=16, depth=1, num_heads=2, mlp_ratio=2,
                   class_token=True, reg_tokens=2, init_values=1e-5, qkv_bias=False,
                   global_pool="avg", fc_norm=False),
}

# photograph, side, crop_pct: smaller, larger, wide, tall, odd remainders at the crop
TRANSFORMS = [
    ("astronaut.png", 64, 0.95), ("obama.jpg", 96, 0.95), ("biden.jpg", 64, 0.875),
    ("obama2.jpg", 64, 1.0), ("obama3.jpg", 65, 0.9), ("wide-61x40", 96, 0.95),
    ("tall-40x63", 64, 0.95),
]


def networks():
    for seed, (case, model_args) in enumerate(CASES.items(), start=1):
        model = draw_weights(create(**model_args), seed)
        save_case(HERE / case, NAME, model, model_args, model_args["img_size"], 2, seed + 100)
        if case == "notebook":
            torch.save(SiameseNetwork(model).state_dict(), HERE / case / "weights.pth")


class Pooled(torch.nn.Module):
    """A module of somebody's own: pools, projects, and behaves otherwise while training."""

    def __init__(self):
        super().__init__()
        self.project = torch.nn.Linear(48, 8)

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        pooled = torch.nn.functional.adaptive_avg_pool2d(faces, 4).flatten(1)
        return self.project(torch.nn.functional.dropout(pooled, 0.5, self.training))


def torchscript():
    folder = HERE / "torchscript"
    folder.mkdir(exist_ok=True)
    module = draw_weights(Pooled(), 7)
    scripted = torch.jit.script(module)
    scripted.train()
    scripted.save(folder / "module.pt")
    (folder / "card.json").write_text(json.dumps({
        "description": "a test's module", "license": "CC0-1.0",
        "input": {"kind": "chip", "side": 16, "padding": 0.25, "mean": [127.5] * 3, "std": [127.5] * 3},
        "embedding": {"length": 8, "distance": "euclidean"},
    }, indent=2) + "\n")
    faces = torch.rand((2, 3, 16, 16), generator=torch.Generator().manual_seed(8)) * 2 - 1
    with torch.inference_mode():
        save_file({"input": faces, "embedding": module(faces)}, folder / "expected.safetensors")


def photograph(photos, name):
    """A file of PHOTOS, or "WORD-WxH": that many pixels of the middle of the astronaut."""
    if (photos / name).exists():
        return Image.open(photos / name).convert("RGB")
    width, height = map(int, name.split("-")[1].split("x"))
    return Image.open(photos / "astronaut.png").convert("RGB").crop(
        (200, 60, 200 + width, 60 + height))


def transforms(photos):
    """What timm's transform makes of a photograph, before mean and deviation: whole levels."""
    folder = HERE / "transform"
    folder.mkdir(exist_ok=True)
    for name, side, crop_pct in TRANSFORMS:
        transform = timm.data.create_transform(
            (3, side, side), is_training=False, interpolation="bicubic", crop_pct=crop_pct,
            mean=(0, 0, 0), std=(1, 1, 1))
        levels = transform(photograph(photos, name)) * 255
        assert torch.allclose(levels, levels.round(), atol=1e-3)
        stem = pathlib.Path(name).stem
        Image.fromarray(levels.round().byte().permute(1, 2, 0).numpy()).save(
            folder / f"{stem}_{side}_{round(crop_pct * 1000)}.ppm")
        if not (photos / name).exists():
            photograph(photos, name).save(folder / f"{name}.ppm")


if __name__ == "__main__":
    networks()
    torchscript()
    transforms(pathlib.Path(sys.argv[1]))
