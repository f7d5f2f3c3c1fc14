/* The JSON object at the front of a safetensors file, read without trusting it. For
 * model/safetensors.c and its fuzz target. */
#ifndef FACEPAIR_MODEL_SAFETENSORS_HEADER_H
#define FACEPAIR_MODEL_SAFETENSORS_HEADER_H

#include "model/safetensors.h"

struct safetensors_header_entry {
    char *name; /* owned */
    uint32_t rank;
    uint64_t shape[SAFETENSORS_RANK_MAX];
    uint64_t begin, end; /* bytes from the end of the header */
};

struct safetensors_header {
    struct safetensors_header_entry *entries; /* sorted by name; owned */
    size_t count;
};

/* text (length bytes) is the header; data_bytes is what follows it in the file. On STATUS_OK every
 * entry is F32, its range has the size of its shape, and the ranges cover data_bytes exactly, once.
 * STATUS_INTERNAL tells what is wrong. */
enum status safetensors_header_parse(const char *text, size_t length, uint64_t data_bytes,
                                     struct safetensors_header *header, struct error *err);
void safetensors_header_release(struct safetensors_header *header);

#endif
