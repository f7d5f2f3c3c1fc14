"""The generator of model/random.c, number for number: xoshiro256**, its state filled by SplitMix64."""
MASK = (1 << 64) - 1


def rotated(value, by):
    return ((value << by) | (value >> (64 - by))) & MASK


class Random:
    def __init__(self, seed):
        self.state = []
        for _ in range(4):
            seed = (seed + 0x9E3779B97F4A7C15) & MASK
            value = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & MASK
            value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
            self.state.append(value ^ (value >> 31))

    def bits(self):
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
