"""Images of people who do not exist, and pairs of them: the twin of ../made_up_people.c, number for number.

The generator is that of model/random.c: xoshiro256**, its state filled by SplitMix64.
"""
import numpy

PEOPLE, IMAGES = 8, 4  # of each
LIKENESS = 0.75  # how much of an image is its person's
MASK = (1 << 64) - 1


class Random:
    def __init__(self, seed):
        self.state = []
        for _ in range(4):
            seed = (seed + 0x9E3779B97F4A7C15) & MASK
            value = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & MASK
            value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
            self.state.append(value ^ (value >> 31))

    def bits(self):
        def rotated(value, by):
            return ((value << by) | (value >> (64 - by))) & MASK

        s = self.state
        result = (rotated((s[1] * 5) & MASK, 7) * 9) & MASK
        shifted = (s[1] << 17) & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= shifted
        s[3] = rotated(s[3], 45)
        return result

    def below(self, bound):
        over_represented = (1 << 32) % bound
        while True:
            product = (self.bits() >> 32) * bound
            if product % (1 << 32) >= over_represented:
                return product >> 32

    def grid(self, cells):
        """(3, cells, cells) in [−1, 1)."""
        values = [(self.bits() >> 40) / (1 << 23) - 1 for _ in range(3 * cells * cells)]
        return numpy.array(values).reshape(3, cells, cells)


def draw_images(seed, side, cell):
    """(PEOPLE · IMAGES, 3, side, side): squares of cell × cell pixels of one colour. A person's images follow
    one another."""
    random, images = Random(seed), []
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
