"""Images of people who do not exist, and pairs of them: the twin of ../made_up_people.c, number for number."""
import pathlib
import sys

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from random_twin import Random

PEOPLE, IMAGES = 8, 4  # of each
LIKENESS = 0.75  # how much of an image is its person's


class Grids(Random):
    def grid(self, cells):
        """(3, cells, cells) in [−1, 1)."""
        values = [(self.bits() >> 40) / (1 << 23) - 1 for _ in range(3 * cells * cells)]
        return numpy.array(values).reshape(3, cells, cells)


def draw_images(seed, side, cell):
    """(PEOPLE · IMAGES, 3, side, side): squares of cell × cell pixels of one colour. A person's images follow
    one another."""
    random, images = Grids(seed), []
    for _ in range(PEOPLE):
        person = random.grid(side // cell)
        for _ in range(IMAGES):
            image = LIKENESS * person + (1 - LIKENESS) * random.grid(side // cell)
            images.append(image.repeat(cell, 1).repeat(cell, 2))
    return numpy.array(images, dtype=numpy.float32)


class Pairs:
    """Pairs of images: of one person, of two, and so on by turns."""

    def __init__(self, seed):
        self.random = Random(seed)

    def draw(self, count):
        """First images, second images, 1 where they are of one person."""
        first, second, same = [], [], []
        for index in range(count):
            one = index % 2 == 0
            person, image = self.random.below(PEOPLE), self.random.below(IMAGES)
            other = person if one else (person + 1 + self.random.below(PEOPLE - 1)) % PEOPLE
            another = (image + 1 + self.random.below(IMAGES - 1)) % IMAGES
            first.append(person * IMAGES + image)
            second.append(other * IMAGES + another)
            same.append(int(one))
        return first, second, same

    def draw_people(self, count):
        """Images of anyone, and whose they are."""
        people, images = [], []
        for _ in range(count):
            people.append(self.random.below(PEOPLE))
            images.append(people[-1] * IMAGES + self.random.below(IMAGES))
        return images, people
