/* Writes .pth files for tests: ZIP archives of stored records, and the pickle of a state dict with
 * whatever is wrong with it. */
#ifndef FACEPAIR_TESTS_PTH_FILE_H
#define FACEPAIR_TESTS_PTH_FILE_H

#include "tests/unit/folder.h"

struct bytes {
    uint8_t data[8192];
    size_t size;
};

static inline void put_bytes(struct bytes *to, const void *from, size_t size) {
    assert_true(to->size + size <= sizeof(to->data));
    memcpy(to->data + to->size, from, size);
    to->size += size;
}
static inline void put_text(struct bytes *to, const char *text) {
    put_bytes(to, text, strlen(text));
}
static inline void put_number(struct bytes *to, uint64_t number, int bytes) {
    for (int i = 0; i < bytes; i++, number >>= 8)
        put_bytes(to, &(uint8_t){(uint8_t)number}, 1);
}

/* ---- pickle ---- */

static inline void put_unicode(struct bytes *to, const char *text) {
    put_text(to, "X");
    put_number(to, strlen(text), 4);
    put_text(to, text);
}
static inline void put_integer(struct bytes *to, int64_t number) {
    put_text(to, "\x8a\x08");
    put_number(to, (uint64_t)number, 8);
}

/* One tensor of a state dict: what torch.save would say about it, and what it must not. */
struct pickled {
    const char *key, *global, *storage_class, *storage;
    int64_t storage_count, offset, rows, columns, row_stride;
};
#define PICKLED_SOUND                                                                              \
    ((struct pickled){.key = "a.weight",                                                           \
                      .global = "torch._utils\n_rebuild_tensor_v2\n",                              \
                      .storage_class = "torch\nFloatStorage\n",                                    \
                      .storage = "0",                                                              \
                      .storage_count = 6,                                                          \
                      .offset = 0,                                                                 \
                      .rows = 2,                                                                   \
                      .columns = 3,                                                                \
                      .row_stride = 3})

static inline void put_tensor(struct bytes *to, const struct pickled *tensor) {
    put_unicode(to, tensor->key);
    put_text(to, "c");
    put_text(to, tensor->global);
    put_text(to, "((");
    put_unicode(to, "storage");
    put_text(to, "c");
    put_text(to, tensor->storage_class);
    put_unicode(to, tensor->storage);
    put_unicode(to, "cuda:0");
    put_integer(to, tensor->storage_count);
    put_text(to, "tQ");
    put_integer(to, tensor->offset);
    put_integer(to, tensor->rows);
    put_integer(to, tensor->columns);
    put_text(to, "\x86");
    put_integer(to, tensor->row_stride);
    put_integer(to, 1);
    put_text(to, "\x86\x89"
                 "ccollections\nOrderedDict\n)RtR");
}

static inline void put_pickle(struct bytes *to, const struct pickled *tensors, size_t count) {
    put_text(to, "\x80\x02"
                 "ccollections\nOrderedDict\n)Rq");
    put_number(to, 0, 1);
    put_text(to, "(");
    for (size_t i = 0; i < count; i++)
        put_tensor(to, &tensors[i]);
    put_text(to, "u}");
    put_unicode(to, "_metadata");
    put_text(to, "ccollections\nOrderedDict\n)Rsb.");
}

/* ---- ZIP ---- */

struct record {
    const char *name;
    const void *content;
    size_t size;
    unsigned method; /* 0: stored */
    unsigned wide;   /* its numbers stand in a ZIP64 field that tells so many bytes: 24 are right */
};

/* Behind a field of another kind; never more than the three numbers. */
static inline void put_zip64(struct bytes *to, const struct record *record, uint64_t header) {
    struct bytes numbers = {.size = 0};
    put_number(&numbers, record->size, 8);
    put_number(&numbers, record->size, 8);
    put_number(&numbers, header, 8);
    put_text(to, "UT");
    put_number(to, 1, 2);
    put_text(to, "x");
    put_number(to, 1, 2);
    put_number(to, record->wide, 2);
    put_bytes(to, numbers.data, record->wide < numbers.size ? record->wide : numbers.size);
}

static inline void put_zip(struct bytes *to, const struct record *records, size_t count) {
    uint64_t headers[16];
    assert_true(count <= 16);
    for (size_t i = 0; i < count; i++) {
        headers[i] = to->size;
        put_text(to, "PK\3\4");
        put_number(to, 0, 22);
        put_number(to, strlen(records[i].name), 2);
        put_number(to, 0, 2);
        put_text(to, records[i].name);
        put_bytes(to, records[i].content, records[i].size);
    }
    size_t directory = to->size;
    for (size_t i = 0; i < count; i++) {
        put_text(to, "PK\1\2");
        put_number(to, 0, 6);
        put_number(to, records[i].method, 2);
        put_number(to, 0, 8);
        struct bytes extra = {.size = 0};
        if (records[i].wide)
            put_zip64(&extra, &records[i], headers[i]);
        put_number(to, records[i].wide ? UINT32_MAX : records[i].size, 4);
        put_number(to, records[i].wide ? UINT32_MAX : records[i].size, 4);
        put_number(to, strlen(records[i].name), 2);
        put_number(to, extra.size, 2);
        put_number(to, 0, 10);
        put_number(to, records[i].wide ? UINT32_MAX : headers[i], 4);
        put_text(to, records[i].name);
        put_bytes(to, extra.data, extra.size);
    }
    size_t end = to->size;
    put_text(to, "PK\5\6");
    put_number(to, 0, 4);
    put_number(to, count, 2);
    put_number(to, count, 2);
    put_number(to, end - directory, 4);
    put_number(to, directory, 4);
    put_number(to, 0, 2);
}

#endif
