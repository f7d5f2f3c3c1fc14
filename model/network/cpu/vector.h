/* Eight or sixteen float32 and the products that all convolutions here consist of.
 *
 * accumulate() is the inner loop: for `pixels` inputs and CHANNELS_BLOCK output channels it adds
 *
 *     sums[p][o] += sum over k < length of in[p][k] × weights[k][o]
 *
 * Six pixels × two vectors are twelve sums, which with two vectors of weights and one broadcast
 * input fill the sixteen registers of AVX2; and twelve independent FMAs are more than the eight
 * (two units × latency four) that keep the units busy. AVX-512 has twice the registers, and needs
 * no more sums. The order of additions does not depend on
 * `pixels`: a pixel's value is the same bits in every batch.
 */
#ifndef FACEPAIR_MODEL_NETWORK_CPU_VECTOR_H
#define FACEPAIR_MODEL_NETWORK_CPU_VECTOR_H

#include <immintrin.h>
#include <stddef.h>

#ifdef __AVX512F__
#define VECTOR_FLOATS 16
#define VECTOR_MAX _mm512_max_ps
#else
#define VECTOR_FLOATS 8
#define VECTOR_MAX _mm256_max_ps
#endif

enum { VECTOR = VECTOR_FLOATS, CHANNELS_BLOCK = 2 * VECTOR, PIXELS_MAX = 6 };

typedef float vector __attribute__((vector_size(VECTOR * sizeof(float))));
typedef float vector_anywhere
    __attribute__((vector_size(VECTOR * sizeof(float)), aligned(sizeof(float)), may_alias));

static inline vector load(const float *from) { return *(const vector_anywhere *)from; }
static inline void store(float *to, vector value) { *(vector_anywhere *)to = value; }
static inline vector maximum(vector a, vector b) { return VECTOR_MAX(a, b); }
/* The operand that is returned beside a NaN is the second: a NaN stays one. */
static inline vector relu(vector x) { return maximum((vector){0}, x); }

/* An embedding must not stay in registers that nobody else uses: the next call that the dynamic
 * linker resolves would save them on the stack. (vzeroall leaves the upper sixteen.) */
static inline void forget_registers(void) {
#define FORGET(n) "vpxord %%zmm" #n ", %%zmm" #n ", %%zmm" #n "\n\t"
#ifdef __AVX512F__
    __asm__ volatile(FORGET(16) FORGET(17) FORGET(18) FORGET(19) FORGET(20) FORGET(21) FORGET(22)
                         FORGET(23) FORGET(24) FORGET(25) FORGET(26) FORGET(27) FORGET(28)
                             FORGET(29) FORGET(30) FORGET(31)::
                                 : "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22",
                                   "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29",
                                   "xmm30", "xmm31");
#endif
#undef FORGET
    _mm256_zeroall();
}

/* Weights that will be wanted next, to be fetched meanwhile; `step` bytes for each k. */
struct ahead {
    const char *next;
    size_t step;
};

/* While `groups` groups of pixels go by one block of weights, [depth][CHANNELS_BLOCK], the block
 * that follows it is fetched, evenly over the groups: for `group`, from here. A single face would
 * else wait for the memory at the first group and leave it idle at the others. */
static inline struct ahead ahead_of(const float *weights, size_t depth, size_t group,
                                    size_t groups) {
    size_t step = CHANNELS_BLOCK * sizeof(float) / groups;
    return (struct ahead){(const char *)(weights + depth * CHANNELS_BLOCK) + group * depth * step,
                          step};
}

__attribute__((always_inline)) static inline void accumulate(unsigned pixels,
                                                             const float *const *in, size_t length,
                                                             const float *weights,
                                                             struct ahead ahead, vector (*sum)[2]) {
    for (size_t k = 0; k < length; k++) {
        __builtin_prefetch(ahead.next);
        ahead.next += ahead.step;
        vector w0 = load(weights), w1 = load(weights + VECTOR);
        weights += CHANNELS_BLOCK;
#pragma GCC unroll 6
        for (unsigned p = 0; p < pixels; p++) {
            sum[p][0] += in[p][k] * w0;
            sum[p][1] += in[p][k] * w1;
        }
    }
}

/* How many groups of at most PIXELS_MAX; they are made as even as can be, because a group of one or
 * two waits for its own sums. */
static inline size_t groups_of(size_t pixels) { return (pixels + PIXELS_MAX - 1) / PIXELS_MAX; }

#endif
