/* The machine has a stack of small values, a memo of values, and four pools that values point into:
 * items of tuples, members of dictionaries, storages and tensors. Nothing is ever removed from a
 * pool, so that an index stays good; a pool grows by what an opcode took from the stack, and so by
 * less than the pickle's length. Texts stay where they are in the pickle.
 *
 * The opcodes' encodings are those of Python's pickletools; the arguments of the globals those of
 * torch._utils and of torch.serialization's persistent_id.
 *
 * pickle.c is the machine: stack, memo, opcodes. pickle_objects.c is what the globals mean.
 */
#ifndef FACEPAIR_MODEL_IMPORT_PICKLE_MACHINE_H
#define FACEPAIR_MODEL_IMPORT_PICKLE_MACHINE_H

#include "model/import/pickle.h"

#include <stdbool.h>

enum pickle_kind { NONE, BOOL, INTEGER, TEXT, GLOBAL, TUPLE, DICTIONARY, STORAGE, TENSOR, MARK };
enum pickle_global { ORDERED_DICT, REBUILD_TENSOR, REBUILD_PARAMETER, FLOAT_STORAGE, GLOBALS };

struct value {
    uint32_t kind;  /* enum pickle_kind */
    uint32_t count; /* TEXT: bytes; TUPLE: items */
    union {
        int64_t integer; /* BOOL, INTEGER */
        uint64_t at;     /* TEXT: in the pickle; GLOBAL: which; others: in their pool */
    };
};

struct member { /* of a dictionary: a list, the newest first */
    struct value key, value;
    uint32_t next; /* 1 + index; 0: the last */
};

struct pool {
    void *items;
    size_t count, capacity;
};

struct machine {
    const uint8_t *bytes, *at, *end;
    struct error *err;
    struct pool stack, memo, items; /* struct value */
    struct pool members;            /* struct member */
    struct pool dictionaries;       /* uint32_t: 1 + index of the newest member; 0: empty */
    struct pool storages, tensors;  /* struct pickle_tensor; of a storage only those fields */
    bool stopped;
};

/* Everything that may fail returns false, and has said why to m->err by pickle_fault. */
bool pickle_fault(struct machine *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool pickle_expect(struct machine *m, const struct value *value, enum pickle_kind kind);
bool pickle_has(struct machine *m, size_t count); /* values on the stack */
bool pickle_push(struct machine *m, struct value value);
bool pickle_push_dictionary(struct machine *m);
/* A zeroed place at the pool's end; NULL: out of memory. */
void *pickle_add(struct machine *m, struct pool *pool, size_t size);

static inline struct value *pickle_values(const struct pool *pool) { return pool->items; }
static inline struct value *pickle_top(struct machine *m) {
    return &pickle_values(&m->stack)[m->stack.count - 1];
}

/* BINPERSID: the tuple on the stack becomes a storage. */
bool pickle_load_storage(struct machine *m);
/* REDUCE: the global and its arguments on the stack become what it would have made of them. */
bool pickle_reduce(struct machine *m);
/* STOP: the dictionary on the stack as the result. On failure *tensors may be left to free. */
bool pickle_collect(struct machine *m, struct pickle_tensor **tensors, size_t *count);

#endif
