#include "model/import/pickle_machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STACK_MAX = 65536, PROTOCOL = 2 };

static const char *const KIND_NAMES[] = {"None",     "a bool", "an integer",   "a text",
                                         "a global", "tuple",  "a dictionary", "a storage",
                                         "a tensor", "a mark"};

static const char *const GLOBAL_NAMES[GLOBALS] = {
    "collections\nOrderedDict\n", "torch._utils\n_rebuild_tensor_v2\n",
    "torch._utils\n_rebuild_parameter\n", "torch\nFloatStorage\n"};

bool pickle_fault(struct machine *m, const char *format, ...) {
    char text[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    error_set(m->err, STATUS_INTERNAL, "the pickle, at byte %zu: %s", (size_t)(m->at - m->bytes),
              text);
    return false;
}

/* ---- pools, stack ---- */

/* A zeroed place at the pool's end; NULL: out of memory. */
void *pickle_add(struct machine *m, struct pool *pool, size_t size) {
    if (pool->count == pool->capacity) {
        size_t capacity = pool->capacity ? 2 * pool->capacity : 64;
        void *items = realloc(pool->items, capacity * size);
        if (!items) {
            pickle_fault(m, "out of memory");
            return NULL;
        }
        pool->items = items;
        pool->capacity = capacity;
    }
    return memset((char *)pool->items + size * pool->count++, 0, size);
}

bool pickle_push(struct machine *m, struct value value) {
    if (m->stack.count == STACK_MAX)
        return pickle_fault(m, "more than %d values on the stack", STACK_MAX);
    struct value *place = pickle_add(m, &m->stack, sizeof(value));
    if (place)
        *place = value;
    return place != NULL;
}

static bool push_integer(struct machine *m, enum pickle_kind kind, int64_t integer) {
    return pickle_push(m, (struct value){.kind = kind, .integer = integer});
}

bool pickle_has(struct machine *m, size_t count) {
    return m->stack.count >= count || pickle_fault(m, "the stack is too short");
}

bool pickle_expect(struct machine *m, const struct value *value, enum pickle_kind kind) {
    return value->kind == kind ||
           pickle_fault(m, "%s where there must be %s", KIND_NAMES[value->kind], KIND_NAMES[kind]);
}

/* The place of the topmost mark. */
static bool find_mark(struct machine *m, size_t *at) {
    for (*at = m->stack.count; *at > 0; (*at)--)
        if (pickle_values(&m->stack)[*at - 1].kind == MARK) {
            --*at;
            return true;
        }
    return pickle_fault(m, "no mark on the stack");
}

/* ---- operands ---- */

static bool take(struct machine *m, size_t count, const uint8_t **operand) {
    if (count > (size_t)(m->end - m->at))
        return pickle_fault(m, "it ends within an opcode");
    *operand = m->at;
    m->at += count;
    return true;
}

static bool take_number(struct machine *m, size_t bytes, uint64_t *number) {
    const uint8_t *operand = m->at;
    if (!take(m, bytes, &operand))
        return false;
    *number = 0;
    for (size_t i = bytes; i > 0; i--)
        *number = *number << 8 | operand[i - 1];
    return true;
}

static bool push_unsigned(struct machine *m, size_t bytes) {
    uint64_t number;
    return take_number(m, bytes, &number) && push_integer(m, INTEGER, (int64_t)number);
}

static bool push_signed(struct machine *m, size_t bytes) {
    uint64_t number;
    if (!take_number(m, bytes, &number))
        return false;
    uint64_t sign = bytes ? (uint64_t)1 << (8 * bytes - 1) : 0;
    return push_integer(m, INTEGER, (int64_t)((number ^ sign) - sign));
}

static bool push_long(struct machine *m, size_t length_bytes) {
    uint64_t bytes;
    if (!take_number(m, length_bytes, &bytes))
        return false;
    return bytes <= 8 ? push_signed(m, bytes)
                      : pickle_fault(m, "an integer of %u bytes", (unsigned)bytes);
}

static bool push_text(struct machine *m, size_t length_bytes) {
    uint64_t length;
    const uint8_t *text = m->at;
    return take_number(m, length_bytes, &length) && take(m, length, &text) &&
           pickle_push(m, (struct value){.kind = TEXT,
                                         .count = (uint32_t)length,
                                         .at = (uint64_t)(text - m->bytes)});
}

/* "MODULE\nNAME\n" -> "MODULE.NAME", in what can be printed. */
static bool refuse_global(struct machine *m, const uint8_t *text) {
    char name[64];
    size_t length = 0;
    for (int lines = 0; text < m->end && length < sizeof(name) - 1 && lines < 2; text++) {
        lines += *text == '\n';
        char shown = '?';
        if (*text == '\n')
            shown = '.';
        else if (*text > ' ' && *text < 0x7f)
            shown = (char)*text;
        if (lines < 2)
            name[length++] = shown;
    }
    name[length] = '\0';
    return pickle_fault(
        m, "it names %s, which no state dict of float32 needs; nothing of it was run", name);
}

static bool push_global(struct machine *m, size_t unused) {
    (void)unused;
    for (int i = 0; i < GLOBALS; i++) {
        size_t length = strlen(GLOBAL_NAMES[i]);
        if ((size_t)(m->end - m->at) >= length && memcmp(m->at, GLOBAL_NAMES[i], length) == 0) {
            m->at += length;
            return pickle_push(m, (struct value){.kind = GLOBAL, .at = (uint64_t)i});
        }
    }
    return refuse_global(m, m->at);
}

/* ---- memo ---- */

/* Python's pickler numbers what it memorises one after the other. */
static bool put(struct machine *m, size_t bytes) {
    uint64_t index;
    if (!take_number(m, bytes, &index) || !pickle_has(m, 1))
        return false;
    if (index > m->memo.count || pickle_top(m)->kind == MARK)
        return pickle_fault(m, "a memo that leaves places out, or a mark in it");
    if (index == m->memo.count && !pickle_add(m, &m->memo, sizeof(struct value)))
        return false;
    pickle_values(&m->memo)[index] = *pickle_top(m);
    return true;
}

static bool get(struct machine *m, size_t bytes) {
    uint64_t index;
    if (!take_number(m, bytes, &index))
        return false;
    return index < m->memo.count ? pickle_push(m, pickle_values(&m->memo)[index])
                                 : pickle_fault(m, "a memo that was never filled");
}

/* ---- tuples and dictionaries ---- */

/* The stack's values from `first` on become one tuple, at `place`. */
static bool make_tuple(struct machine *m, size_t first, size_t place) {
    struct value tuple = {
        .kind = TUPLE, .count = (uint32_t)(m->stack.count - first), .at = m->items.count};
    for (size_t i = first; i < m->stack.count; i++) {
        struct value *item = pickle_add(m, &m->items, sizeof(*item));
        if (!item)
            return false;
        *item = pickle_values(&m->stack)[i];
    }
    m->stack.count = place;
    return pickle_push(m, tuple);
}

static bool make_marked_tuple(struct machine *m, size_t unused) {
    (void)unused;
    size_t mark;
    return find_mark(m, &mark) && make_tuple(m, mark + 1, mark);
}

static bool make_small_tuple(struct machine *m, size_t count) {
    return pickle_has(m, count) && make_tuple(m, m->stack.count - count, m->stack.count - count);
}

bool pickle_push_dictionary(struct machine *m) {
    if (!pickle_add(m, &m->dictionaries, sizeof(uint32_t)))
        return false;
    return pickle_push(m, (struct value){.kind = DICTIONARY, .at = m->dictionaries.count - 1});
}

/* The stack's values from `first` on are keys and values for the dictionary below `place`. */
static bool set_items(struct machine *m, size_t first, size_t place) {
    const struct value *stack = pickle_values(&m->stack);
    if (place == 0 || (m->stack.count - first) % 2 != 0)
        return pickle_fault(m, "keys and values that do not pair up");
    if (!pickle_expect(m, &stack[place - 1], DICTIONARY))
        return false;
    uint32_t *newest = &((uint32_t *)m->dictionaries.items)[stack[place - 1].at];
    for (size_t i = first; i < m->stack.count; i += 2) {
        struct member *member = pickle_add(m, &m->members, sizeof(*member));
        if (!member)
            return false;
        *member = (struct member){.key = stack[i], .value = stack[i + 1], .next = *newest};
        *newest = (uint32_t)m->members.count;
    }
    m->stack.count = place;
    return true;
}

static bool set_one_item(struct machine *m, size_t unused) {
    (void)unused;
    return pickle_has(m, 3) && set_items(m, m->stack.count - 2, m->stack.count - 2);
}

static bool set_marked_items(struct machine *m, size_t unused) {
    (void)unused;
    size_t mark;
    return find_mark(m, &mark) && set_items(m, mark + 1, mark);
}

/* torch gives the state dict an attribute _metadata, of no use here. */
static bool build(struct machine *m, size_t unused) {
    (void)unused;
    if (!pickle_has(m, 2) || !pickle_expect(m, pickle_top(m), DICTIONARY))
        return false;
    m->stack.count--;
    return pickle_expect(m, pickle_top(m), DICTIONARY);
}

/* ---- the opcodes ---- */

static bool push_mark(struct machine *m, size_t unused) {
    (void)unused;
    return push_integer(m, MARK, 0);
}

static bool push_none(struct machine *m, size_t unused) {
    (void)unused;
    return push_integer(m, NONE, 0);
}

static bool push_bool(struct machine *m, size_t yes) { return push_integer(m, BOOL, (int64_t)yes); }

static bool empty_dictionary(struct machine *m, size_t unused) {
    (void)unused;
    return pickle_push_dictionary(m);
}

static bool persistent(struct machine *m, size_t unused) {
    (void)unused;
    return pickle_load_storage(m);
}

static bool reduce(struct machine *m, size_t unused) {
    (void)unused;
    return pickle_reduce(m);
}

static bool check_protocol(struct machine *m, size_t bytes) {
    uint64_t number;
    if (!take_number(m, bytes, &number))
        return false;
    return number == PROTOCOL || pickle_fault(m, "protocol %u, not 2", (unsigned)number);
}

static bool stop(struct machine *m, size_t unused) {
    (void)unused;
    return m->stopped = true;
}

static const struct opcode {
    uint8_t code;
    bool (*run)(struct machine *m, size_t argument);
    size_t argument;
} OPCODES[] = {
    {0x80, check_protocol, 1},   /* PROTO */
    {'.', stop, 0},              /* STOP */
    {'(', push_mark, 0},         /* MARK */
    {'N', push_none, 0},         /* NONE */
    {0x88, push_bool, 1},        /* NEWTRUE */
    {0x89, push_bool, 0},        /* NEWFALSE */
    {'K', push_unsigned, 1},     /* BININT1 */
    {'M', push_unsigned, 2},     /* BININT2 */
    {'J', push_signed, 4},       /* BININT */
    {0x8a, push_long, 1},        /* LONG1 */
    {'X', push_text, 4},         /* BINUNICODE */
    {'c', push_global, 0},       /* GLOBAL */
    {'q', put, 1},               /* BINPUT */
    {'r', put, 4},               /* LONG_BINPUT */
    {'h', get, 1},               /* BINGET */
    {'j', get, 4},               /* LONG_BINGET */
    {')', make_small_tuple, 0},  /* EMPTY_TUPLE */
    {0x85, make_small_tuple, 1}, /* TUPLE1 */
    {0x86, make_small_tuple, 2}, /* TUPLE2 */
    {0x87, make_small_tuple, 3}, /* TUPLE3 */
    {'t', make_marked_tuple, 0}, /* TUPLE */
    {'}', empty_dictionary, 0},  /* EMPTY_DICT */
    {'s', set_one_item, 0},      /* SETITEM */
    {'u', set_marked_items, 0},  /* SETITEMS */
    {'b', build, 0},             /* BUILD */
    {'Q', persistent, 0},        /* BINPERSID */
    {'R', reduce, 0},            /* REDUCE */
};

static bool step(struct machine *m) {
    const uint8_t *code = m->at;
    if (!take(m, 1, &code))
        return false;
    for (size_t i = 0; i < sizeof(OPCODES) / sizeof(OPCODES[0]); i++)
        if (OPCODES[i].code == *code)
            return OPCODES[i].run(m, OPCODES[i].argument);
    return pickle_fault(m, "opcode 0x%02x, which no state dict needs", *code);
}

enum status pickle_read(const uint8_t *bytes, size_t size, struct pickle_tensor **result,
                        size_t *count, struct error *err) {
    struct machine m = {.bytes = bytes, .at = bytes, .end = bytes + size, .err = err};
    *result = NULL;
    bool good =
        size <= PICKLE_BYTES_MAX || pickle_fault(&m, "it has more than %d bytes", PICKLE_BYTES_MAX);
    while (good && !m.stopped)
        good = step(&m);
    if (good)
        good = pickle_collect(&m, result, count);
    struct pool *const pools[] = {&m.stack,        &m.memo,     &m.items,  &m.members,
                                  &m.dictionaries, &m.storages, &m.tensors};
    for (size_t i = 0; i < sizeof(pools) / sizeof(pools[0]); i++)
        free(pools[i]->items);
    if (good)
        return STATUS_OK;
    free(*result);
    *result = NULL;
    return STATUS_INTERNAL;
}
