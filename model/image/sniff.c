/* The format of a file by its first bytes. Formats that we do not decode are known by name, so that
 * the client reads "this is HEIC" and not "this is broken". */
#include "model/image/codec.h"

#include <string.h>

struct magic {
    size_t offset, length;
    const char *bytes;
    const char *name;
};

/* Public signatures; the longer one first where two share a beginning. */
static const struct magic others[] = {
    {0, 6, "GIF87a", "GIF"},
    {0, 6, "GIF89a", "GIF"},
    {0, 4, "II*\0", "TIFF"},
    {0, 4, "MM\0*", "TIFF"},
    {0, 4, "II+\0", "BigTIFF"},
    {0, 4, "MM\0+", "BigTIFF"},
    {0, 12, "\0\0\0\14JXL \r\n\207\n", "JPEG XL"},
    {0, 2, "\377\12", "JPEG XL"},
    {0, 12, "\0\0\0\14jP  \r\n\207\n", "JPEG 2000"},
    {0, 4, "\377O\377Q", "JPEG 2000"},
    {0, 5, "%PDF-", "PDF"},
    {0, 4, "\0\0\1\0", "ICO"},
    {0, 4, "\0\0\2\0", "CUR"},
    {0, 4, "8BPS", "PSD"},
    {0, 4, "qoif", "QOI"},
    {0, 4, "DDS ", "DDS"},
    {0, 4, "v/1\1", "OpenEXR"},
    {0, 8, "\212MNG\r\n\32\n", "MNG"},
};

/* Brands of ISO base media files (ISO/IEC 14496-12, 23008-12; AV1 image format). */
static const struct magic brands[] = {
    {8, 4, "avif", "AVIF"}, {8, 4, "avis", "AVIF"}, {8, 4, "heic", "HEIC"}, {8, 4, "heix", "HEIC"},
    {8, 4, "heim", "HEIC"}, {8, 4, "heis", "HEIC"}, {8, 4, "hevc", "HEIC"}, {8, 4, "hevx", "HEIC"},
    {8, 4, "mif1", "HEIF"}, {8, 4, "msf1", "HEIF"}, {8, 4, "crx ", "CR3"},
};

static bool starts(const uint8_t *bytes, size_t size, const struct magic *magic) {
    return size >= magic->offset + magic->length &&
           memcmp(bytes + magic->offset, magic->bytes, magic->length) == 0;
}

static const char *find(const struct magic *table, size_t count, const uint8_t *bytes,
                        size_t size) {
    for (size_t i = 0; i < count; i++)
        if (starts(bytes, size, &table[i]))
            return table[i].name;
    return NULL;
}

/* "BM" alone begins many a text: a bitmap also has zero reserved bytes and a known header size. */
static bool is_bmp(const uint8_t *bytes, size_t size) {
    if (size < 18 || memcmp(bytes, "BM", 2) != 0 || image_read_le32(bytes + 6) != 0)
        return false;
    uint32_t header = image_read_le32(bytes + 14);
    return header >= 12 && header <= 124;
}

static bool is_netpbm(const uint8_t *bytes, size_t size) {
    return size >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '7' &&
           (bytes[2] == '\n' || bytes[2] == '\r' || bytes[2] == ' ');
}

/* SVG is text: "<svg" within the first kilobyte of something that begins like XML. */
static bool is_svg(const uint8_t *bytes, size_t size) {
    size_t window = size < 1024 ? size : 1024;
    size_t start = window >= 3 && memcmp(bytes, "\357\273\277", 3) == 0 ? 3 : 0;
    while (start < window && (bytes[start] == ' ' || bytes[start] == '\t' || bytes[start] == '\r' ||
                              bytes[start] == '\n'))
        start++;
    if (start == window || bytes[start] != '<')
        return false;
    return memmem(bytes + start, window - start, "<svg", 4) != NULL;
}

static const char *other_name(const uint8_t *bytes, size_t size) {
    const char *name = find(others, sizeof others / sizeof *others, bytes, size);
    if (name)
        return name;
    if (size >= 12 && memcmp(bytes + 4, "ftyp", 4) == 0) {
        name = find(brands, sizeof brands / sizeof *brands, bytes, size);
        return name ? name : "MP4 or QuickTime";
    }
    if (is_bmp(bytes, size))
        return "BMP";
    if (is_netpbm(bytes, size))
        return "Netpbm";
    return is_svg(bytes, size) ? "SVG" : NULL;
}

bool image_sniff(const uint8_t *bytes, size_t size, enum image_format *format, const char **other) {
    *other = NULL;
    if (size >= 3 && memcmp(bytes, "\377\330\377", 3) == 0) {
        *format = IMAGE_JPEG;
        return true;
    }
    if (size >= 8 && memcmp(bytes, "\211PNG\r\n\32\n", 8) == 0) {
        *format = IMAGE_PNG;
        return true;
    }
    if (size >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0) {
        *format = IMAGE_WEBP;
        return true;
    }
    *other = other_name(bytes, size);
    return *other != NULL;
}
