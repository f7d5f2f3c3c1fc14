/* A bounded reader of one EXIF tag. Every offset comes from outside: each read checks that it lies
 * within the block, and nothing is followed twice, so the work is at most one directory. Layout:
 * TIFF 6.0, section 2; the tag's meaning: EXIF 2.32, 4.6.4. */
#include "model/image/codec.h"

#include <string.h>

enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3, TYPE_LONG = 4, ENTRY_BYTES = 12 };

struct tiff {
    const uint8_t *bytes;
    size_t size;
    bool big_endian;
};

static uint32_t read_u16(const struct tiff *tiff, size_t at) {
    const uint8_t *b = tiff->bytes + at;
    return tiff->big_endian ? (uint32_t)b[0] << 8 | b[1] : (uint32_t)b[1] << 8 | b[0];
}

static uint32_t read_u32(const struct tiff *tiff, size_t at) {
    return tiff->big_endian ? image_read_be32(tiff->bytes + at) : image_read_le32(tiff->bytes + at);
}

static bool tiff_open(const uint8_t *exif, size_t size, struct tiff *tiff) {
    if (size >= 6 && memcmp(exif, "Exif\0\0", 6) == 0) {
        exif += 6;
        size -= 6;
    }
    if (size < 8 || (memcmp(exif, "II*\0", 4) != 0 && memcmp(exif, "MM\0*", 4) != 0))
        return false;
    *tiff = (struct tiff){.bytes = exif, .size = size, .big_endian = exif[0] == 'M'};
    return true;
}

static unsigned entry_orientation(const struct tiff *tiff, size_t at) {
    uint32_t type = read_u16(tiff, at + 2), count = read_u32(tiff, at + 4);
    if (count != 1 || (type != TYPE_SHORT && type != TYPE_LONG))
        return 1;
    uint32_t value = type == TYPE_SHORT ? read_u16(tiff, at + 8) : read_u32(tiff, at + 8);
    return value >= 1 && value <= 8 ? value : 1;
}

unsigned image_exif_orientation(const uint8_t *exif, size_t size) {
    struct tiff tiff;
    if (!tiff_open(exif, size, &tiff))
        return 1;
    size_t directory = read_u32(&tiff, 4);
    if (directory > tiff.size - 2)
        return 1;
    size_t entries = read_u16(&tiff, directory);
    size_t room = (tiff.size - directory - 2) / ENTRY_BYTES;
    if (entries > room)
        entries = room;
    for (size_t i = 0; i < entries; i++) {
        size_t at = directory + 2 + i * ENTRY_BYTES;
        if (read_u16(&tiff, at) == TAG_ORIENTATION)
            return entry_orientation(&tiff, at);
    }
    return 1;
}
