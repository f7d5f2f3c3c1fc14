"""timm's own networks with weights drawn so that every parameter matters, for golden.py and full.py.

timm's initialisation hides mistakes: with LayerScale at 1e-5 a whole missing attention moves the
embedding by 1e-4, and biases, registers and the position embedding begin at zero.
"""
import json

import timm
import torch
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer


class SiameseNetwork(torch.nn.Module):
    """As much of the notebook's class as shapes its state dict: the network is the member `model`."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, first, second):
        return self.model(first), self.model(second)


def draw_weights(model, seed):
    """Every parameter from its own range; none is zero, none is neutral."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(tensor, low, high):
        tensor.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)

    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if name.endswith("gamma"):
                uniform(tensor, 0.1, 1)
            elif "norm" in name and name.endswith("weight"):
                uniform(tensor, 0.5, 1.5)
            elif name.endswith("qkv.weight"):  # sharp attention: the scale and the softmax matter
                uniform(tensor, -3 / tensor.shape[1] ** 0.5, 3 / tensor.shape[1] ** 0.5)
            elif tensor.dim() >= 2 and name.endswith("weight"):
                bound = (3 / tensor[0].numel()) ** 0.5
                uniform(tensor, -bound, bound)
            else:  # biases, tokens, positions
                uniform(tensor, -0.5, 0.5)
    return model.eval()


def save_config(path, name, model, model_args, side):
    """config.json as timm writes it beside the weights of a model on a hub."""
    config = {
        "architecture": name,
        "num_classes": 0,
        "num_features": model.num_features,
        "global_pool": model.global_pool,
        "model_args": model_args,
        "pretrained_cfg": {
            "tag": "golden",
            "input_size": [3, side, side],
            "interpolation": "bicubic",
            "crop_pct": 0.95,
            "crop_mode": "center",
            "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5],
        },
    }
    if not model_args:
        del config["model_args"]
    path.write_text(json.dumps(config, indent=2) + "\n")


def save_case(folder, name, model, model_args, side, images, seed):
    """config.json, weights.safetensors, and expected.safetensors: input (n,3,s,s), embedding (n,w)."""
    folder.mkdir(parents=True, exist_ok=True)
    save_config(folder / "config.json", name, model, model_args, side)
    save_file(model.state_dict(), folder / "weights.safetensors")
    generator = torch.Generator().manual_seed(seed)
    faces = torch.rand((images, 3, side, side), generator=generator) * 2 - 1
    with torch.inference_mode():
        save_file({"input": faces, "embedding": model(faces).contiguous()}, folder / "expected.safetensors")


def create(**model_args):
    return VisionTransformer(num_classes=0, **model_args)


def create_notebook(seed):
    """The notebook's network, 63.6 million parameters without its classifier."""
    return draw_weights(timm.create_model("vit_mediumd_patch16_reg4_gap_256", num_classes=0), seed)
