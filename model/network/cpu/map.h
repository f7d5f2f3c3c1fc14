/* A feature map: side × side pixels of `channels` float32 each, pixel by pixel (NHWC), inside a
 * border of zeros, so that a convolution with padding meets no special case at an edge.
 *
 * A row holds `row` pixels: one of border, the map, and border up to the next whole number of 4×4
 * tiles and one more, which is what the transformed convolution (winograd.h) reads. Whoever writes
 * a map writes its side × side pixels alone; the border is zero from the start.
 */
#ifndef FACEPAIR_MODEL_NETWORK_CPU_MAP_H
#define FACEPAIR_MODEL_NETWORK_CPU_MAP_H

#include <stddef.h>

enum { MAP_TILE = 4 };

struct map {
    size_t side, channels, row;
};

static inline struct map map_of(size_t side, size_t channels) {
    size_t tiles = (side + MAP_TILE - 1) / MAP_TILE;
    return (struct map){side, channels, tiles * MAP_TILE + 2};
}

static inline size_t map_floats(const struct map *map) {
    return map->row * map->row * map->channels;
}

/* Where pixel (y, x) begins, counted from the first of the border: (1, 1) is the map's first. */
static inline size_t map_at(const struct map *map, size_t y, size_t x) {
    return (y * map->row + x) * map->channels;
}

#endif
