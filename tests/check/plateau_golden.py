#!/usr/bin/env python3
"""What PyTorch's ReduceLROnPlateau makes of a sequence of losses, as the C table of tests/unit/plateau_golden.h.

usage: plateau_golden.py > ../unit/plateau_golden.h      (with torch 2; run by hand)
"""
import random

import torch

CASES = ((1e-3, 0.1, 5), (1e-3, 0.5, 2), (1e-2, 0.1, 0), (3e-7, 0.1, 1))


def losses(seed):
    """A curve that falls, flattens, falls by less than the threshold, and has a hole."""
    draw = random.Random(seed)
    falling = [1 / (1 + i) + draw.uniform(0, 0.02) for i in range(20)]
    flat = [falling[-1] * (1 - 5e-5 * i) for i in range(15)]
    return falling + flat + [float("nan")] + [draw.uniform(0.03, 0.06) for _ in range(24)]


def rates(curve, rate, factor, patience):
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="min", factor=factor, patience=patience)
    for loss in curve:
        scheduler.step(loss)
        yield optimizer.param_groups[0]["lr"]


def row(values):
    return ", ".join("NAN" if value != value else repr(value) for value in values)


def main():
    print(f"/* Written by tests/check/plateau_golden.py with torch {torch.__version__.split('+')[0]}. */")
    print("enum { PLATEAU_EPOCHS = 60, PLATEAU_CASES = 4 };")
    print("static const struct {\n    double rate, factor;\n    unsigned patience;\n"
          "    double losses[PLATEAU_EPOCHS], rates[PLATEAU_EPOCHS];\n} PLATEAU_GOLDEN[PLATEAU_CASES] = {")
    for seed, case in enumerate(CASES):
        curve = losses(seed)
        print(f"    {{{row(case)}, {{{row(curve)}}}, {{{row(rates(curve, *case))}}}}},")
    print("};")


if __name__ == "__main__":
    main()
