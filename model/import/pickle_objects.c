#include "model/import/pickle_machine.h"

#include <stdlib.h>

enum { STORAGE_COUNT_BITS = 40 };

static struct pickle_tensor *tensors(const struct pool *pool) { return pool->items; }

/* Letters, digits, '_', '-' and '.': what modules, parameters and records are called. */
static bool read_name(struct machine *m, const struct value *text, char name[PICKLE_NAME_MAX + 1]) {
    if (!pickle_expect(m, text, TEXT))
        return false;
    if (text->count == 0 || text->count > PICKLE_NAME_MAX)
        return pickle_fault(m, "a name of %u bytes", text->count);
    for (uint32_t i = 0; i < text->count; i++) {
        char c = (char)m->bytes[text->at + i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '_' || c == '-' || c == '.';
        if (!plain)
            return pickle_fault(m, "a name with a character that is not allowed");
        name[i] = c;
    }
    name[text->count] = '\0';
    return true;
}

static bool read_count(struct machine *m, const struct value *value, uint64_t *count) {
    if (!pickle_expect(m, value, INTEGER))
        return false;
    if (value->integer < 0 || value->integer >> STORAGE_COUNT_BITS)
        return pickle_fault(m, "a size of %lld", (long long)value->integer);
    *count = (uint64_t)value->integer;
    return true;
}

/* ("storage", FloatStorage, KEY, DEVICE, COUNT) */
bool pickle_load_storage(struct machine *m) {
    if (!pickle_has(m, 1) || !pickle_expect(m, pickle_top(m), TUPLE))
        return false;
    const struct value tuple = *pickle_top(m);
    if (tuple.count != 5)
        return pickle_fault(m, "a persistent object of %u parts", tuple.count);
    const struct value *item = &pickle_values(&m->items)[tuple.at];
    if (item[1].kind != GLOBAL || item[1].at != FLOAT_STORAGE)
        return pickle_fault(m, "a persistent object that is no storage of float32");
    if (m->storages.count == PICKLE_TENSORS_MAX)
        return pickle_fault(m, "more than %d storages", PICKLE_TENSORS_MAX);
    struct pickle_tensor *storage = pickle_add(m, &m->storages, sizeof(*storage));
    if (!storage || !read_name(m, &item[2], storage->storage) ||
        !read_count(m, &item[4], &storage->storage_count))
        return false;
    *pickle_top(m) = (struct value){.kind = STORAGE, .at = m->storages.count - 1};
    return true;
}

/* Row-major without gaps; the stride of a dimension of one does not matter. */
static bool read_shape(struct machine *m, const struct value *sizes, const struct value *strides,
                       struct pickle_tensor *tensor) {
    if (!pickle_expect(m, sizes, TUPLE) || !pickle_expect(m, strides, TUPLE))
        return false;
    if (sizes->count > PICKLE_RANK_MAX || strides->count != sizes->count)
        return pickle_fault(m, "a tensor of %u dimensions and %u strides", sizes->count,
                            strides->count);
    tensor->rank = sizes->count;
    tensor->count = 1;
    for (uint32_t i = sizes->count; i-- > 0;) {
        uint64_t size = 0, stride = 0;
        if (!read_count(m, &pickle_values(&m->items)[sizes->at + i], &size) ||
            !read_count(m, &pickle_values(&m->items)[strides->at + i], &stride))
            return false;
        if (size == 0 || size > tensor->storage_count / tensor->count)
            return pickle_fault(m, "a tensor that does not fit its storage");
        if (size > 1 && stride != tensor->count)
            return pickle_fault(m, "a tensor that is not row-major");
        tensor->shape[i] = size;
        tensor->count *= size;
    }
    return true;
}

/* _rebuild_tensor_v2(storage, offset, sizes, strides, requires_grad, hooks[, metadata]) */
static bool rebuild_tensor(struct machine *m, const struct value *arguments) {
    if (arguments->count != 6 && arguments->count != 7)
        return pickle_fault(m, "_rebuild_tensor_v2 with %u arguments", arguments->count);
    const struct value *item = &pickle_values(&m->items)[arguments->at];
    if (m->tensors.count == PICKLE_TENSORS_MAX)
        return pickle_fault(m, "more than %d tensors", PICKLE_TENSORS_MAX);
    struct pickle_tensor *tensor = pickle_add(m, &m->tensors, sizeof(*tensor));
    if (!tensor || !pickle_expect(m, &item[0], STORAGE))
        return false;
    *tensor = tensors(&m->storages)[item[0].at];
    if (!read_count(m, &item[1], &tensor->offset) || !read_shape(m, &item[2], &item[3], tensor))
        return false;
    if (tensor->count > tensor->storage_count ||
        tensor->offset > tensor->storage_count - tensor->count)
        return pickle_fault(m, "a tensor that does not fit its storage");
    return pickle_push(m, (struct value){.kind = TENSOR, .at = m->tensors.count - 1});
}

/* _rebuild_parameter(tensor, requires_grad, hooks) */
static bool rebuild_parameter(struct machine *m, const struct value *arguments) {
    if (arguments->count != 3)
        return pickle_fault(m, "_rebuild_parameter with %u arguments", arguments->count);
    struct value tensor = pickle_values(&m->items)[arguments->at];
    return pickle_expect(m, &tensor, TENSOR) && pickle_push(m, tensor);
}

bool pickle_reduce(struct machine *m) {
    if (!pickle_has(m, 2) || !pickle_expect(m, pickle_top(m), TUPLE) ||
        !pickle_expect(m, pickle_top(m) - 1, GLOBAL))
        return false;
    const struct value arguments = *pickle_top(m), callee = pickle_top(m)[-1];
    m->stack.count -= 2;
    switch ((enum pickle_global)callee.at) {
    case ORDERED_DICT:
        return arguments.count == 0 ? pickle_push_dictionary(m)
                                    : pickle_fault(m, "a filled OrderedDict");
    case REBUILD_TENSOR:
        return rebuild_tensor(m, &arguments);
    case REBUILD_PARAMETER:
        return rebuild_parameter(m, &arguments);
    default:
        return pickle_fault(m, "a storage that is called");
    }
}

/* The root dictionary's members, which are listed newest first. */
bool pickle_collect(struct machine *m, struct pickle_tensor **result, size_t *count) {
    if (m->stack.count != 1 || !pickle_expect(m, pickle_top(m), DICTIONARY))
        return pickle_fault(m, "it holds no state dict");
    const struct member *members = m->members.items;
    uint32_t newest = ((uint32_t *)m->dictionaries.items)[pickle_top(m)->at];
    *count = 0;
    for (uint32_t i = newest; i; i = members[i - 1].next)
        ++*count;
    if (*count == 0 || *count > PICKLE_TENSORS_MAX)
        return pickle_fault(m, "a state dict of %zu tensors", *count);
    struct pickle_tensor *all = calloc(*count, sizeof(*all));
    if (!all)
        return pickle_fault(m, "out of memory");
    *result = all;
    size_t at = *count;
    for (uint32_t i = newest; i; i = members[i - 1].next) {
        const struct member *member = &members[i - 1];
        if (!pickle_expect(m, &member->value, TENSOR))
            return false;
        all[--at] = tensors(&m->tensors)[member->value.at];
        if (!read_name(m, &member->key, all[at].name))
            return false;
    }
    return true;
}
