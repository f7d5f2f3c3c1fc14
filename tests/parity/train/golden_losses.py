#!/usr/bin/env python3
"""Ten steps down each of the other losses by PyTorch itself, as golden files of this folder for test_train_losses.c;
and the losses of trainings with a mistake in them, which must be told from the right ones.

usage: golden_losses.py DLIB_WEIGHTS.safetensors      (as golden.py)
"""
import math
import sys

import torch
from golden import HERE, DlibResnet, create_vit
from made_up import PEOPLE, Grids, Pairs, draw_images
from safetensors.torch import load_file, save_file
from torch.nn import functional

STEPS, COLUMNS_SEED = 10, 11


def mined(embeddings, people, margin, anchor_itself=False, positive=max, negative=min):
    """The contrastive loss of each row's hardest pairs, chosen and computed one by one."""
    terms = []
    for i, person in enumerate(people):
        def distance(j):
            return functional.pairwise_distance(embeddings[i:i + 1], embeddings[j:j + 1])[0]

        one = [distance(j) for j, other in enumerate(people) if other == person and (anchor_itself or j != i)]
        two = [distance(j) for j, other in enumerate(people) if other != person]
        if one:
            terms.append(positive(one, key=torch.Tensor.item) ** 2)
        if two:
            terms.append((margin - negative(two, key=torch.Tensor.item)).clamp(min=0) ** 2)
    return torch.stack(terms).mean()


def cosface(cosine, margin):
    return cosine - margin


def arcface(cosine, margin):
    angle = torch.acos(cosine)
    return torch.where(angle + margin <= math.pi, torch.cos(angle + margin), cosine - margin * math.sin(margin))


def softmax(embeddings, people, columns, with_margin, margin, scale, everyone=False, raw=False):
    embeddings, weights = (embeddings, columns) if raw else (functional.normalize(embeddings), functional.normalize(columns))
    cosine = embeddings @ weights.T
    own = functional.one_hot(torch.tensor(people), len(columns)) == 1
    return functional.cross_entropy(scale * torch.where(own | everyone, with_margin(cosine, margin), cosine), torch.tensor(people))


def draw_columns(length):
    """Uniform as torch.nn.init.xavier_uniform_ has it, by the service's generator."""
    random = Grids(COLUMNS_SEED)
    bound = (6 / (PEOPLE + length)) ** 0.5
    values = [bound * ((random.bits() >> 40) / (1 << 23) - 1) for _ in range(PEOPLE * length)]
    return torch.nn.Parameter(torch.tensor(values, dtype=torch.float64).float().reshape(PEOPLE, length))


# A loss is a function of embeddings, people and columns; of those after a slash one thing is wrong.
LOSSES = {
    "batch_hard": lambda e, p, c: mined(e, p, 1),
    "batch_hard/the-anchor-itself-as-a-positive": lambda e, p, c: mined(e, p, 1, anchor_itself=True),
    "batch_hard/the-nearest-positive": lambda e, p, c: mined(e, p, 1, positive=min),
    "batch_hard/the-farthest-negative": lambda e, p, c: mined(e, p, 1, negative=max),
    "batch_hard/all-in-one": lambda e, p, c: mined(e, [0] * len(p), 1),
    "cosface": lambda e, p, c: softmax(e, p, c, cosface, 0.35, 30),
    "cosface/the-other-side": lambda e, p, c: softmax(e, p, c, cosface, -0.35, 30),
    "cosface/no-scale": lambda e, p, c: softmax(e, p, c, cosface, 0.35, 1),
    "cosface/everyone-has-the-margin": lambda e, p, c: softmax(e, p, c, cosface, 0.35, 30, everyone=True),
    "cosface/vectors-as-they-are": lambda e, p, c: softmax(e, p, c, cosface, 0.35, 30, raw=True),
    "cosface/columns-not-trained": lambda e, p, c: softmax(e, p, c.detach(), cosface, 0.35, 30),
    "cosface/the-margin-of-arcface": lambda e, p, c: softmax(e, p, c, arcface, 0.35, 30),
    "arcface": lambda e, p, c: softmax(e, p, c, arcface, 0.5, 30),
    "arcface/the-other-side": lambda e, p, c: softmax(e, p, c, arcface, -0.5, 30),
    "arcface/no-scale": lambda e, p, c: softmax(e, p, c, arcface, 0.5, 1),
    "arcface/everyone-has-the-margin": lambda e, p, c: softmax(e, p, c, arcface, 0.5, 30, everyone=True),
    "arcface/the-margin-of-cosface": lambda e, p, c: softmax(e, p, c, cosface, 0.5, 30),
    # A margin so large that many angles pass π.
    "arcface_far": lambda e, p, c: softmax(e, p, c, arcface, 1.5, 10),
    "arcface_far/no-guard": lambda e, p, c: softmax(
        e, p, c, lambda cosine, margin: torch.cos(torch.acos(cosine) + margin), 1.5, 10),
}


def train(model, last_block, images, seed, rows, learning_rate, loss_of):
    """The losses of all steps."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith(last_block)
    columns = draw_columns(model(images[:1]).shape[1])
    optimizer = torch.optim.Adam([*model.parameters(), columns], lr=learning_rate)
    batches, losses = Pairs(seed), []
    for _ in range(STEPS):
        indices, people = batches.draw_people(rows)
        optimizer.zero_grad()
        loss = loss_of(model(images[indices]), people, columns)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return torch.tensor(losses)


def keep(name, create, *arguments):
    results = {loss: train(create(), *arguments, function) for loss, function in LOSSES.items()}
    for loss, values in results.items():
        print(name, loss, *(f"{value:.5f}" for value in values.tolist()))
    save_file(results, HERE / f"losses-{name}.safetensors")


def main(dlib_weights):
    torch.set_num_threads(1)
    images = torch.from_numpy(draw_images(1, side=32, cell=1))
    keep("vit", create_vit, "blocks.1.", images, 2, 16, 1e-3)
    images = torch.from_numpy(draw_images(3, side=150, cell=10)).contiguous(memory_format=torch.channels_last)
    keep("dlib-resnet", lambda: DlibResnet(load_file(dlib_weights)), "blocks_13_", images, 4, 8, 3e-5)


if __name__ == "__main__":
    main(sys.argv[1])
