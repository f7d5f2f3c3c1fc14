#!/usr/bin/env python3
"""Fifty steps of the notebook's training by PyTorch itself, and what they lead to, as golden files of this
folder for test_train.c: of timm's vision transformer (../vit/notebook) and of dlib's network.

usage: golden.py DLIB_WEIGHTS.safetensors      (with the packages of ../vit/requirements.txt)

DLIB_WEIGHTS is weights.safetensors as `facepair import dlib` writes it. The batches come from made_up.py.
"""
import json
import pathlib
import sys

import torch
from made_up import Pairs, draw_images
from safetensors.torch import load_file, save_file
from timm.models.vision_transformer import VisionTransformer
from torch.nn import functional

HERE = pathlib.Path(__file__).parent
NOTEBOOK = HERE.parent / "vit/notebook"
STEPS = 50
MARGIN = 1.0


def contrastive_loss(first, second, same):
    """The notebook's: the squared distance of one person's pair, the squared lack of distance of two people's."""
    distance = functional.pairwise_distance(first, second)
    lack = (MARGIN - distance).clamp(min=0)
    return torch.where(same == 1, distance, lack).square().mean()


class DlibResnet(torch.nn.Module):
    """dlib's face network from its published layers, the affine layers folded into the convolutions."""

    DOWN = (3, 7, 10, 13)

    def __init__(self, weights):
        super().__init__()
        self.names = {name.replace(".", "_"): name for name in weights}
        for plain, name in self.names.items():
            self.register_parameter(plain, torch.nn.Parameter(weights[name].clone()))

    def convolve(self, x, name, stride, padding):
        weight, bias = (getattr(self, f"{name}_{kind}") for kind in ("weight", "bias"))
        return functional.conv2d(x, weight, bias, stride, padding)

    def block(self, x, index):
        down = index in self.DOWN
        y = functional.relu(self.convolve(x, f"blocks_{index}_conv1", 2 if down else 1, 0 if down else 1))
        y = self.convolve(y, f"blocks_{index}_conv2", 1, 1)
        if down:
            x = functional.avg_pool2d(x, 2, 2)
        size = [max(pair) for pair in zip(x.shape, y.shape)]
        return functional.relu(self.grown(x, size) + self.grown(y, size))

    @staticmethod
    def grown(x, size):
        """Zeros where it has no channel, row or column."""
        return functional.pad(x, (0, size[3] - x.shape[3], 0, size[2] - x.shape[2], 0, size[1] - x.shape[1]))

    def forward(self, x):
        x = functional.max_pool2d(functional.relu(self.convolve(x, "stem", 2, 0)), 3, 2)
        for index in range(14):
            x = self.block(x, index)
        return x.mean((2, 3)) @ self.head_weight.T


def create_vit():
    config = json.loads((NOTEBOOK / "config.json").read_text())
    vit = VisionTransformer(num_classes=0, **config["model_args"])
    vit.load_state_dict(load_file(NOTEBOOK / "weights.safetensors"))
    return vit


def train(model, last_block, images, pairs_seed, pairs_in_batch, learning_rate):
    """The losses of all steps; of one more batch before and after them; two embeddings afterwards."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith(last_block)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    pairs = Pairs(pairs_seed)
    validation = pairs.draw(pairs_in_batch)

    def loss_of(batch):
        first, second, same = (torch.tensor(column) for column in batch)
        return contrastive_loss(model(images[first]), model(images[second]), same)

    def evaluated():
        model.eval()
        with torch.no_grad():
            return loss_of(validation).item()

    losses, evaluations = [], [evaluated()]
    for _ in range(STEPS):
        model.train()
        optimizer.zero_grad()
        loss = loss_of(pairs.draw(pairs_in_batch))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    evaluations.append(evaluated())
    with torch.no_grad():
        embedding = model(images[:2])
    return {"losses": torch.tensor(losses), "evaluations": torch.tensor(evaluations), "embedding": embedding}


def keep(name, result):
    print(name, *(f"{loss:.5f}" for loss in result["losses"].tolist()))
    print(name, "evaluated", *(f"{loss:.5f}" for loss in result["evaluations"].tolist()))
    save_file(result, HERE / f"{name}.safetensors")


def main(dlib_weights):
    torch.set_num_threads(1)
    images = torch.from_numpy(draw_images(1, side=32, cell=1))
    keep("vit", train(create_vit(), "blocks.1.", images, pairs_seed=2, pairs_in_batch=8, learning_rate=1e-3))
    # A smaller rate, because rounding opens ReLUs, and Adam gives a first gradient a whole step however small it is:
    # at 1e-4 PyTorch's own losses in two memory formats part by 2.5e-4. The format here is the one of our network.
    dlib = DlibResnet(load_file(dlib_weights))
    images = torch.from_numpy(draw_images(3, side=150, cell=10)).contiguous(memory_format=torch.channels_last)
    keep("dlib-resnet", train(dlib, "blocks_13_", images, pairs_seed=4, pairs_in_batch=4, learning_rate=3e-5))


if __name__ == "__main__":
    main(sys.argv[1])
