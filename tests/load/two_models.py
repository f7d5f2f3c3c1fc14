#!/usr/bin/python3
"""Does a crowd at a slow network keep the clients of a quick one waiting?

usage: FACEPAIR_LFW=FOLDER tests/load/two_models.py [--build build] [--seconds 150]

The real program with dlib-resnet and with a vision transformer of the notebook's size (64 million parameters, drawn at
random: its decisions mean nothing, its time does). First one client of each alone, then two clients at the transformer
and one at dlib-resnet. What is asked: that client's p99 is at most one batch of the transformer and twice its own p99.
Where a machine has other work, batches differ, so each request is held against the longest batch that it met.
"""
import argparse
import http.client
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
import load

WIDTH, DEPTH, PATCH, SIDE, REGISTERS, MLP = 512, 20, 16, 256, 4, 2048
VIT_CLIENTS = 2


def shapes():
    """The tensors of vit_mediumd_patch16_reg4_gap_256 without its classifier, by timm's names."""
    yield "pos_embed", (1, (SIDE // PATCH) ** 2, WIDTH)
    yield "reg_token", (1, REGISTERS, WIDTH)
    yield from layer("patch_embed.proj", WIDTH, 3, PATCH, PATCH)
    for i in range(DEPTH):
        block = f"blocks.{i}."
        yield from layer(block + "norm1", WIDTH)
        yield from layer(block + "attn.qkv", 3 * WIDTH, WIDTH)
        yield from layer(block + "attn.proj", WIDTH, WIDTH)
        yield block + "ls1.gamma", (WIDTH,)
        yield from layer(block + "norm2", WIDTH)
        yield from layer(block + "mlp.fc1", MLP, WIDTH)
        yield from layer(block + "mlp.fc2", WIDTH, MLP)
        yield block + "ls2.gamma", (WIDTH,)
    yield from layer("fc_norm", WIDTH)


def layer(name, *shape):
    yield name + ".weight", shape
    yield name + ".bias", shape[:1]


def write_weights(path):
    """A .safetensors file: the header's length, the header, the tensors one behind another."""
    generator, header, at = numpy.random.default_rng(1), {}, 0
    for name, shape in shapes():
        size = 4 * int(numpy.prod(shape))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape in shapes():
            bound = (3 / numpy.prod(shape[1:])) ** 0.5 if len(shape) > 1 else 0.5
            values = generator.uniform(-bound, bound, shape)
            file.write((numpy.abs(values) + 0.5 if name.endswith(("norm1.weight", "norm2.weight", "norm.weight")) else values)
                       .astype("<f4").tobytes())
    return at // 4


def make_data(build, folder):
    """A data directory with both models."""
    shutil.copytree(load.TREE / "data" / "models" / "dlib-resnet", folder / "models" / "dlib-resnet")
    (folder / "face").symlink_to(load.TREE / "data" / "face")
    weights = folder / "weights.safetensors"
    print(f"a vision transformer of {write_weights(weights) / 1e6:.1f} million parameters", flush=True)
    subprocess.run([build / "facepair", "import", "vit", "--weights", weights, "--data", folder], check=True, stdout=subprocess.DEVNULL)
    weights.unlink()
    return folder


class Client(threading.Thread):
    """Asks again as soon as it is answered, until it is told to stop."""

    def __init__(self, address, bodies, model):
        super().__init__()
        self.address, self.model = address, model
        self.bodies = [load.multipart([("model", model), ("threshold", "0.6")], pair) for pair in bodies]
        self.going, self.spans, self.embed_ms, self.faults = True, [], [], []

    @property
    def ms(self):
        return [(ended - began) * 1000 for began, ended in self.spans]

    def run(self):
        connection = http.client.HTTPConnection(self.address, timeout=60)
        headers = {"Content-Type": f"multipart/form-data; boundary={load.BOUNDARY}"}
        count = 0
        while self.going:
            began = time.monotonic()
            connection.request("POST", "/v1/verify", self.bodies[count % len(self.bodies)], headers)
            response = connection.getresponse()
            text = response.read()
            count += 1
            if response.status != 200:
                self.faults.append((response.status, text[:200]))
                continue
            self.spans.append((began, time.monotonic()))
            self.embed_ms.append(json.loads(text)["timings_ms"]["embed"])


def measure(address, bodies, models, seconds):
    clients = [Client(address, bodies, model) for model in models]
    for client in clients:
        client.start()
    time.sleep(seconds)
    for client in clients:
        client.going = False
    for client in clients:
        client.join()
    return clients


def tell(name, values):
    p50, p99, most = numpy.percentile(values, [50, 99, 100])
    print(f"{name:44} {len(values):6} answers, p50 {p50:7.1f} ms, p99 {p99:7.1f} ms, most {most:7.1f} ms", flush=True)
    return p50, p99


def beyond_one_batch(quick, slow):
    """What each request of `quick` took beyond the longest batch of `slow` that was computed meanwhile. A batch ends when
    its client is answered, or some milliseconds before."""
    batches = [(ended - ms / 1000, ended, ms) for client in slow for (_, ended), ms in zip(client.spans, client.embed_ms)]
    return [(ended - began) * 1000 - max((ms for start, end, ms in batches if start < ended and end > began), default=0)
            for began, ended in quick.spans]


def usable(server, pairs):
    """Pairs with a face in both."""
    bodies = [[("image1", first), ("image2", second)] for first, second in pairs]
    return [body for body in bodies if load.post(server.url + "/v1/verify", load.multipart([], body))[0] == 200]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=load.TREE / "build")
    parser.add_argument("--seconds", type=int, default=150)
    options = parser.parse_args()
    build = options.build.resolve()
    pairs, what = load.bench_pairs(20)
    with tempfile.TemporaryDirectory() as folder:
        data = make_data(build, pathlib.Path(folder))
        with load.facepair(build, data=data) as server:
            address, bodies = server.url[7:], usable(server, pairs)
            print(f"{len(bodies)} {what}", flush=True)
            alone = measure(address, bodies, ["dlib-resnet"], max(10, options.seconds // 10))[0]
            vit = measure(address, bodies, ["vit"], max(10, options.seconds // 10))[0]
            together = measure(address, bodies, ["dlib-resnet"] + ["vit"] * VIT_CLIENTS, options.seconds)
    _, own = tell("dlib-resnet alone", alone.ms)
    tell("the transformer alone, its batch of a pair", vit.embed_ms)
    quick, slow = together[0], together[1:]
    batch, _ = tell(f"{VIT_CLIENTS} clients at the transformer, their batches", [ms for client in slow for ms in client.embed_ms])
    tell(f"{VIT_CLIENTS} clients at the transformer", [ms for client in slow for ms in client.ms])
    tell("dlib-resnet beside them", quick.ms)
    _, beyond = tell("  beyond one batch of the transformer", beyond_one_batch(quick, slow))
    print(f"beyond one batch (median {batch:.0f} ms): p99 {beyond:.1f} ms; asked: at most twice its own p99, {2 * own:.1f} ms")
    faults = [fault for client in (alone, vit, *together) for fault in client.faults]
    print(f"{len(faults)} answers that were not 200 {faults[:3]}")
    return 1 if faults or beyond > 2 * own else 0


sys.exit(main())
