"""More versions of a model, made from one that is there: whole ones, ones that answer otherwise, and broken ones."""
import hashlib
import json
import os
import pathlib
import shutil
import struct


class Version:
    """DATA/models/NAME/NUMBER. Its files may be hard links, so they are replaced and never written into."""

    def __init__(self, data, name, number):
        self.path = pathlib.Path(data) / "models" / name / number
        self.name, self.number = name, number

    def copy(self, number):
        """The same weights and card as another version."""
        copy = Version(self.path.parents[2], self.name, number)
        shutil.copytree(self.path, copy.path, copy_function=os.link)
        return copy.change_card(lambda card: card.update(version=number))

    def activate(self):
        """As another process would: a new file in the old one's place."""
        new = self.path.parent / "active.of-test"
        new.write_text(self.number + "\n")
        new.rename(self.path.parent / "active")
        return self

    @property
    def card(self):
        return json.loads((self.path / "model.json").read_text())

    def replace(self, file, data):
        new = self.path / (file + ".of-test")
        new.write_bytes(data)
        new.rename(self.path / file)
        return self

    def change_card(self, change):
        card = self.card
        change(card)
        return self.replace("model.json", json.dumps(card).encode())

    def change_weights(self, change, rehash=True):
        """The bytes of the weights file; its hash in the card follows unless it is to be wrong."""
        weights = change((self.path / "weights.safetensors").read_bytes())
        self.replace("weights.safetensors", weights)
        if rehash:
            digest = hashlib.sha256(weights).hexdigest()
            self.change_card(lambda card: card["weights"].update(sha256=digest))
        return self


def scaled(factor, tensor="head.weight"):
    """Multiplies one tensor of a safetensors file. The last layer has no bias, so that every distance grows by the factor."""
    import numpy

    def change(weights):
        size, = struct.unpack("<Q", weights[:8])
        start, end = (8 + size + at for at in json.loads(weights[8:8 + size])[tensor]["data_offsets"])
        values = numpy.frombuffer(weights[start:end], numpy.float32) * numpy.float32(factor)
        return weights[:start] + values.astype(numpy.float32).tobytes() + weights[end:]
    return change


def reshaped(weights):
    """The last layer's tensor with its sides exchanged: the same bytes under another shape."""
    size, = struct.unpack("<Q", weights[:8])
    header = json.loads(weights[8:8 + size])
    header["head.weight"]["shape"].reverse()
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + weights[8 + size:]


# What makes a version of dlib-resnet one that cannot be loaded: (change, the file at fault, what is told of it).
BROKEN = {
    "wrong hash": (lambda v: v.change_weights(lambda w: w[:-1] + bytes([w[-1] ^ 1]), rehash=False), "weights.safetensors",
                   "SHA-256"),
    "unknown architecture": (lambda v: v.change_card(lambda c: c.update(architecture="resnet-1001")), "weights.safetensors",
                             "resnet-1001"),
    "shapes that do not fit": (lambda v: v.change_weights(reshaped), "weights.safetensors", "head.weight"),
    "a card of another length": (lambda v: v.change_card(lambda c: (c["embedding"].update(length=64), c.pop("typical", None))), "weights.safetensors",
                                 "128"),
    "truncated weights": (lambda v: v.change_weights(lambda w: w[:len(w) // 2]), "weights.safetensors", ""),
    "an empty weights file": (lambda v: v.change_weights(lambda w: b""), "weights.safetensors", ""),
    "no weights": (lambda v: (v.path / "weights.safetensors").unlink(), "weights.safetensors", "No such file"),
    "not finite": (lambda v: v.change_weights(scaled(float("inf"))), "weights.safetensors", "finite"),
    "a card that is not JSON": (lambda v: v.replace("model.json", b"{"), "model.json", ""),
    "another's card": (lambda v: v.change_card(lambda c: c.update(version="1")), "model.json", "calls itself"),
    "no card": (lambda v: (v.path / "model.json").unlink(), "model.json", "No such file"),
}


def own_models(source, folder):
    """A data directory with dlib-resnet alone, for who publishes versions or promotes them."""
    shutil.copytree(source / "face", folder / "face")
    shutil.copytree(source / "models" / "dlib-resnet" / "1", folder / "models" / "dlib-resnet" / "1")
    (folder / "models" / "dlib-resnet" / "active").write_text("1\n")
    return folder
