"""Photographs that no camera takes."""
import io
import struct
import zlib

import numpy
from PIL import Image, ImageEnhance
from service import PHOTOS


def saved(image, format="JPEG", **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def blank(side=400):
    return saved(Image.new("RGB", (side, side), (120, 130, 140)))


def noise(side=400):
    pixels = numpy.random.default_rng(1).integers(0, 256, (side, side, 3), numpy.uint8)
    return saved(Image.fromarray(pixels))


def landscape():
    """Sky, hills and a field, drawn: smooth shades, a ragged horizon, some grain."""
    rows, columns = numpy.mgrid[0:600, 0:900].astype(float)
    hills = 300 + 40 * numpy.sin(columns / 90) + 25 * numpy.sin(columns / 37 + 1)
    sky, field = rows < hills, rows >= hills + 80 * numpy.cos(columns / 300) ** 2
    grain = numpy.random.default_rng(2).normal(0, 6, rows.shape)
    shades = [numpy.where(sky, base[0] + rows / 6, numpy.where(field, base[1], base[2])) + grain
              for base in ((90, 110, 60), (140, 150, 90), (200, 70, 50))]
    return saved(Image.fromarray(numpy.dstack(shades).clip(0, 255).astype(numpy.uint8)))


def group():
    """Two people side by side."""
    people = [Image.open(PHOTOS / name).convert("RGB") for name in ("obama.jpg", "biden.jpg")]
    people = [person.resize((person.width * 500 // person.height, 500)) for person in people]
    both = Image.new("RGB", (people[0].width + people[1].width, 500))
    both.paste(people[0], (0, 0))
    both.paste(people[1], (people[0].width, 0))
    return saved(both, quality=92)


def small_face():
    """A portrait of 96 x 120 pixels: the face is found, and too small to be compared."""
    person = Image.open(PHOTOS / "obama.jpg").convert("RGB")
    person.thumbnail((120, 120))
    return saved(person, quality=95)


def claims(width, height):
    """A baseline JPEG whose header claims a size, with hardly anything behind it."""
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00"
    picture = saved(Image.new("L", (8, 8)))
    at = picture.index(b"\xff\xc0")
    length = struct.unpack(">H", picture[at + 2:at + 4])[0]
    return picture[:at] + b"\xff\xc0" + struct.pack(">H", 2 + len(frame)) + frame + picture[at + 2 + length:]


def png_claims(width, height):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(header)) + chunk + struct.pack(">I", zlib.crc32(chunk))


def many_scans(count=10000):
    """A progressive JPEG whose last scan stands there again and again."""
    picture = saved(Image.new("L", (1024, 1024), 120), progressive=True)
    last, end = picture.rindex(b"\xff\xda"), picture.rindex(b"\xff\xd9")
    return picture[:end] + picture[last:end] * (count - 10) + picture[end:]


def portrait(name, light, side=500):
    """One of the example photographs, in another light."""
    picture = Image.open(PHOTOS / name).convert("RGB")
    picture.thumbnail((side, side))
    return ImageEnhance.Brightness(picture).enhance(light)


def write_crowd(folder, people=60, photographs=2):
    """PERSON/PERSON_0001.jpg …: as many people as a fine-tuning needs, made of four photographs."""
    sources = ("astronaut.png", "biden.jpg", "obama.jpg", "obama3.jpg")
    for i in range(people):
        person = folder / f"Person{i:03d}"
        person.mkdir(parents=True)
        for j in range(photographs):
            light = 0.7 + 0.6 * i / people + 0.1 * j
            portrait(sources[i % len(sources)], light, 300).save(person / f"{person.name}_{j + 1:04d}.jpg", quality=90)
