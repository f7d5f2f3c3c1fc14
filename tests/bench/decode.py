#!/usr/bin/python3
"""What decoding costs: a 250 x 250 photograph, one of 1 megapixel and one of 12, the last two of the
same picture (examples/photos/obama.jpg scaled by PIL), at long_side_min 960.

    tests/bench/decode.py build/tests/bench/bench_decode
"""

import pathlib
import subprocess
import sys
import tempfile

from PIL import Image

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "examples" / "photos" / "obama.jpg"
KINDS = {
    "lfw-like.jpg": ((250, 250), {"quality": 90}),
    "1-megapixel.jpg": ((1155, 866), {"quality": 90}),
    "12-megapixel.jpg": ((4032, 3024), {"quality": 90}),
    "12-megapixel-progressive.jpg": ((4032, 3024), {"quality": 90, "progressive": True}),
    "12-megapixel.webp": ((4032, 3024), {"quality": 80, "method": 2}),
    "12-megapixel.png": ((4032, 3024), {"compress_level": 3}),
}


def main(program):
    with tempfile.TemporaryDirectory() as folder:
        photo = Image.open(SOURCE).convert("RGB")
        paths = []
        for name, (size, options) in KINDS.items():
            paths.append(pathlib.Path(folder) / name)
            photo.resize(size, Image.BICUBIC).save(paths[-1], **options)
        paths = [path for path in paths if path.stat().st_size <= 10 << 20]
        subprocess.run([program, "960", *map(str, paths)], check=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
