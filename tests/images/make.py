#!/usr/bin/python3
"""Makes the small photographs of this folder and, for each, the pixels that PIL reads out of it.

NAME.jpg, .png or .webp is what the tests decode; NAME.ppm is what they compare with: upright,
8-bit RGB, alpha laid over white. Kinds that PIL cannot write (16-bit colour, 2-bit grey, Adam7) are
written here byte by byte and still read by PIL; only 16-bit grey is scaled by hand, because PIL
clips it. Restart markers and arithmetic coding come from jpegtran (Debian's libjpeg-turbo-progs).
Run it again only to add a kind: other versions of the encoders give other bytes.
"""

import io
import pathlib
import struct
import subprocess
import zlib

import numpy
from PIL import Image, ImageOps

FOLDER = pathlib.Path(__file__).resolve().parent
WIDTH, HEIGHT = 31, 22


def picture(width=WIDTH, height=HEIGHT):
    """Smooth, coloured, and different under every rotation and mirroring."""
    y, x = numpy.mgrid[0:height, 0:width]
    red = 255 * x / (width - 1)
    green = 255 * y / (height - 1)
    blue = 128 + 100 * numpy.sin(x / 5 + (y / 7) ** 2)
    rgb = numpy.stack([red, green, blue], axis=2).round().clip(0, 255).astype(numpy.uint8)
    rgb[: height // 3, : width // 4] = (250, 40, 10)
    return rgb


def alpha(width=WIDTH, height=HEIGHT):
    y, x = numpy.mgrid[0:height, 0:width]
    return (255 * (x + y) / (width + height - 2)).round().astype(numpy.uint8)


def over_white(image):
    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, rgba).convert("RGB")


def upright_rgb(image):
    image = ImageOps.exif_transpose(image)
    transparent = "A" in image.getbands() or "transparency" in image.info
    return over_white(image) if transparent else image.convert("RGB")


def expect(name, image):
    upright_rgb(image).save(FOLDER / (pathlib.Path(name).stem + ".ppm"))


def add(name, content):
    (FOLDER / name).write_bytes(content)
    expect(name, Image.open(io.BytesIO(content)))


def encode(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def orientation(value):
    exif = Image.Exif()
    exif[0x0112] = value
    return exif.tobytes()


def jpegs():
    rgb = Image.fromarray(picture())
    add("baseline-420.jpg", encode(rgb, "JPEG", quality=85))
    add("baseline-422.jpg", encode(rgb, "JPEG", quality=85, subsampling="4:2:2"))
    add("baseline-444.jpg", encode(rgb, "JPEG", quality=95, subsampling="4:4:4"))
    add("progressive.jpg", encode(rgb, "JPEG", quality=85, progressive=True))
    add("grey.jpg", encode(rgb.convert("L"), "JPEG", quality=85))
    add("grey-progressive.jpg", encode(rgb.convert("L"), "JPEG", quality=85, progressive=True))
    for name, option in (("restart.jpg", ["-restart", "1B"]), ("arithmetic.jpg", ["-arithmetic"])):
        add(name, subprocess.run(["jpegtran", *option, FOLDER / "baseline-420.jpg"],
                                 check=True, capture_output=True).stdout)
    cmyk = encode(rgb.convert("CMYK"), "JPEG", quality=95)
    add("cmyk.jpg", cmyk)
    adobe = cmyk.index(b"\xff\xee\x00\x0eAdobe")
    add("cmyk-without-adobe.jpg", cmyk[:adobe] + cmyk[adobe + 16 :])
    ycck = bytearray(cmyk)
    ycck[adobe + 15] = 2  # the transform: the same samples, read as YCCK
    add("ycck.jpg", bytes(ycck))
    for value in range(1, 9):
        add(f"orientation-{value}.jpg", encode(rgb, "JPEG", quality=85, exif=orientation(value)))


def scaled_jpegs():
    content = encode(Image.fromarray(picture(203, 151)), "JPEG", quality=85, exif=orientation(6))
    (FOLDER / "scaled.jpg").write_bytes(content)
    for divisor in (1, 2, 4, 8):
        image = Image.open(io.BytesIO(content))
        image.draft("RGB", (203 // divisor, 151 // divisor))
        assert image.size == (-(-203 // divisor), -(-151 // divisor))
        expect(f"scaled-{divisor}.jpg", image)


def area_mean(image, size):
    """Each source pixel repeated until both sizes divide, then plain means. (PIL's BOX takes whole
    pixels only.)"""
    width, height = size
    many = numpy.asarray(image).repeat(height, axis=0).repeat(width, axis=1)
    blocks = many.reshape(height, image.height, width, image.width, 3).astype(float)
    return Image.fromarray(blocks.mean(axis=(1, 3)).round().astype(numpy.uint8))


def shrunk():
    """PNG: the mean of whole squares. WebP: libwebp's area mean, whose squares end between pixels
    where the side does not divide. (JPEG shrinks in its inverse DCT: scaled_jpegs.)"""
    for name in ("rgb8.png", "rgba8.png", "rgb8-interlaced.png", "lossless.webp",
                 "lossless-alpha.webp", "lossy.webp", "lossy-alpha.webp"):
        rgb = upright_rgb(Image.open(FOLDER / name))
        for divisor in (2,) if name.startswith("lossy") else (2, 8):
            size = (-(-rgb.width // divisor), -(-rgb.height // divisor))
            small = rgb.reduce(divisor) if name.endswith("png") else area_mean(rgb, size)
            assert small.size == size
            small.save(FOLDER / (name.replace(".", "-") + f"-{divisor}.ppm"))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def packed_rows(samples, bits):
    """(height, width, channels) of `bits` a sample -> filter byte 0 and packed bytes a row."""
    out = b""
    for row in samples:
        flat = row.reshape(-1).astype(numpy.uint32)
        as_bits = (flat[:, None] >> numpy.arange(bits - 1, -1, -1)) & 1
        out += b"\0" + numpy.packbits(as_bits.astype(numpy.uint8).reshape(-1)).tobytes()
    return out


def png(samples, bits, colour, interlaced=False, before_data=b""):
    height, width = samples.shape[:2]
    adam7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    passes = adam7 if interlaced else [(0, 0, 1, 1)]
    data = b"".join(packed_rows(samples[y::dy, x::dx], bits) for x, y, dx, dy in passes)
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before_data
            + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b""))


def pngs():
    rgb = picture()
    grey = rgb[:, :, 1:2]
    rgba = numpy.concatenate([rgb, alpha()[:, :, None]], axis=2)
    wide = rgba.astype(numpy.uint16) * 257 ^ 0x5A  # low bytes unlike the high ones
    for bits in (1, 2, 4, 8):
        add(f"grey{bits}.png", png(grey >> (8 - bits), bits, 0))
        palette = numpy.arange(3 << bits) * 37 % 256
        head = chunk(b"PLTE", palette.astype(numpy.uint8).tobytes())
        add(f"palette{bits}.png", png(grey >> (8 - bits), bits, 3, before_data=head))
        head += chunk(b"tRNS", bytes([0, 128]))
        add(f"palette{bits}-transparent.png", png(grey >> (8 - bits), bits, 3, before_data=head))
    add("grey-alpha8.png", png(rgba[:, :, 2:], 8, 4))
    add("grey8-transparent.png",
        png(grey, 8, 0, before_data=chunk(b"tRNS", struct.pack(">H", int(grey[5, 5, 0])))))
    add("rgb8.png", png(rgb, 8, 2))
    add("rgb8-transparent.png",
        png(rgb, 8, 2, before_data=chunk(b"tRNS", struct.pack(">HHH", 250, 40, 10))))
    add("rgba8.png", png(rgba, 8, 6))
    add("rgb16.png", png(wide[:, :, :3], 16, 2))
    add("rgba16.png", png(wide, 16, 6))
    add("grey-alpha16.png", png(wide[:, :, 2:], 16, 4))
    add("rgb8-interlaced.png", png(rgb, 8, 2, interlaced=True))
    add("rgba8-interlaced.png", png(rgba, 8, 6, interlaced=True))
    add("grey1-interlaced.png", png(grey >> 7, 1, 0, interlaced=True))
    add("png-orientation-6.png",
        png(rgb, 8, 2, before_data=chunk(b"eXIf", orientation(6)[6:])))
    (FOLDER / "grey16.png").write_bytes(png(wide[:, :, 1:2], 16, 0))
    scaled = (wide[:, :, 1] / 257).round().astype(numpy.uint8)
    expect("grey16.png", Image.fromarray(scaled))


def webps():
    rgb = Image.fromarray(picture())
    rgba = rgb.copy()
    rgba.putalpha(Image.fromarray(alpha()))
    add("lossy.webp", encode(rgb, "WEBP", quality=80))
    add("lossless.webp", encode(rgb, "WEBP", lossless=True))
    add("lossy-alpha.webp", encode(rgba, "WEBP", quality=80))
    add("lossless-alpha.webp", encode(rgba, "WEBP", lossless=True))
    add("webp-orientation-8.webp", encode(rgb, "WEBP", quality=80, exif=orientation(8)))
    frames = encode(rgb, "WEBP", save_all=True, append_images=[ImageOps.mirror(rgb)], duration=100)
    (FOLDER / "animated.webp").write_bytes(frames)


if __name__ == "__main__":
    jpegs()
    scaled_jpegs()
    pngs()
    webps()
    shrunk()
