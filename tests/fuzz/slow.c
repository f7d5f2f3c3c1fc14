/* Linked into every fuzz target with --wrap: an input that takes more than FUZZ_CPU_S_MAX is a
 * crash, which libFuzzer keeps. Its own report of slow inputs goes by the wall's clock, and tells
 * only of one that is slower than each before it: after one hiccup of the machine, of none. */
#include "tests/fuzz/cpu.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int __real_LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int __wrap_LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int __wrap_LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    double begin = fuzz_cpu_s();
    int kept = __real_LLVMFuzzerTestOneInput(bytes, size);
    double took = fuzz_cpu_s() - begin;
    if (took > FUZZ_CPU_S_MAX) {
        dprintf(STDERR_FILENO, "ERROR: slow input: %zu bytes take %.1f s of CPU\n", size, took);
        abort();
    }
    return kept;
}
