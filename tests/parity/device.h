/* The device on which the networks are held against the reference: the CPU, or what
 * FACEPAIR_TEST_DEVICE names ("cuda:0"). */
#ifndef FACEPAIR_TESTS_PARITY_DEVICE_H
#define FACEPAIR_TESTS_PARITY_DEVICE_H

#include <stdlib.h>
#include <string.h>

static inline const char *parity_device(void) {
    const char *device = getenv("FACEPAIR_TEST_DEVICE");
    return device ? device : "cpu";
}

/* How far apart two computations of one embedding may lie where the CPU's bar is a tighter one:
 * a GPU sums in another order in every batch size. */
static inline float parity_bar(float on_cpu) {
    return strcmp(parity_device(), "cpu") == 0 ? on_cpu : 1e-4f;
}

#endif
