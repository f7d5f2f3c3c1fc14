"""The dlib-resnet network in ONNX Runtime, as the peer that bench_embed is held against.

    onnx_peer.py DATA_DIRECTORY [--rounds N] [--batches 1,8] [--threads N] [--clock wall|cpu]

Builds the ONNX graph from weights.safetensors, so that both run the same numbers, and prints one
JSON line a batch size, as bench_embed --json does. With --check FILE (float32: n inputs, then n
embeddings, as bench_embed --dump writes) it compares the embeddings instead.
"""

import argparse
import json
import statistics
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

SIDE = 150
STAGES = [32] * 3 + [64] * 4 + [128] * 3 + [256] * 4
DOWN = {3, 7, 10, 13}


def read_safetensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    return {
        name: np.frombuffer(data[slice(*entry["data_offsets"])], np.float32).reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__"
    }


class Graph:
    def __init__(self, weights):
        self.weights = weights
        self.nodes, self.constants = [], {}

    def constant(self, name, array):
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def add(self, kind, *inputs, **attributes):
        out = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [out], **attributes))
        return out

    def conv(self, name, x, stride, pad):
        weight = self.constant(name + ".weight", self.weights[name + ".weight"])
        bias = self.constant(name + ".bias", self.weights[name + ".bias"])
        return self.add("Conv", x, weight, bias, strides=[stride] * 2, pads=[pad] * 4)

    def pad(self, x, channels, rows, columns):
        if not (channels or rows or columns):
            return x
        pads = np.array([0, 0, 0, 0, 0, channels, rows, columns], np.int64)
        return self.add("Pad", x, self.constant(f"pads{len(self.nodes)}", pads))

    def block(self, name, x, channels, inputs, side, down):
        y = self.add("Relu", self.conv(name + ".conv1", x, 2 if down else 1, 0 if down else 1))
        y = self.conv(name + ".conv2", y, 1, 1)
        if down:
            inner, outer = (side - 3) // 2 + 1, side // 2
            x = self.add("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
            x = self.pad(x, channels - inputs, 0, 0)
            y = self.pad(y, 0, outer - inner, outer - inner)
        return self.add("Relu", self.add("Add", y, x))


def build(weights):
    graph = Graph(weights)
    x = graph.add("Relu", graph.conv("stem", "faces", 2, 0))
    x = graph.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])
    side, inputs = 35, 32
    for i, channels in enumerate(STAGES):
        x = graph.block(f"blocks.{i}", x, channels, inputs, side, i in DOWN)
        side, inputs = side // 2 if i in DOWN else side, channels
    x = graph.add("Flatten", graph.add("GlobalAveragePool", x))
    head = graph.constant("head", weights["head.weight"].T)
    graph.nodes.append(helper.make_node("MatMul", [x, head], ["embeddings"]))
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "dlib-resnet",
            [helper.make_tensor_value_info("faces", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
            [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["n", 128])],
            list(graph.constants.values()),
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.checker.check_model(model)
    return model.SerializeToString()


def check(session, path):
    values = np.fromfile(path, np.float32)
    per_face = 3 * SIDE * SIDE + 128
    count = len(values) // per_face
    faces = values[: count * 3 * SIDE * SIDE].reshape(count, 3, SIDE, SIDE)
    ours = values[count * 3 * SIDE * SIDE :].reshape(count, 128)
    most = np.abs(session.run(None, {"faces": faces})[0] - ours).max()
    print(f"largest difference from ONNX Runtime: {most:.2e}")
    return 0 if most <= 1e-4 else 1


def measure(session, batches, rounds, clock):
    rng = np.random.default_rng(1)
    inputs = {n: rng.random((n, 3, SIDE, SIDE), np.float32) - 0.5 for n in batches}
    times = {n: [] for n in batches}
    for round_ in range(rounds + 1):
        for n in batches:
            calls = max(1, 16 // n)
            begun = clock()
            for _ in range(calls):
                session.run(None, {"faces": inputs[n]})
            if round_ > 0:  # round 0 warms up
                times[n].append((clock() - begun) * 1e3 / (n * calls))
    for n in batches:
        print(json.dumps({"batch": n, "ms_a_face": round(statistics.median(times[n]), 3)}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--batches", default="1,2,8,16,32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--check", metavar="FILE")
    arguments = parser.parse_args()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    weights = read_safetensors(f"{arguments.data}/models/dlib-resnet/1/weights.safetensors")
    session = onnxruntime.InferenceSession(build(weights), options, ["CPUExecutionProvider"])
    if arguments.check:
        return check(session, arguments.check)
    clock = time.perf_counter if arguments.clock == "wall" else time.process_time
    measure(session, [int(n) for n in arguments.batches.split(",")], arguments.rounds, clock)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
