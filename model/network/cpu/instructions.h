/* What computes in this folder is compiled once for each of two instruction sets, and FACEPAIR_CPU
 * says for which: avx2 (x86-64-v3, with FMA) or avx512 (x86-64-v4). Behind each name stands the set
 * it is compiled for, so that one program has both; cpu/engine.c chooses by the processor.
 *
 * Whatever the width, each lane adds in the same order: both give the same bits.
 */
#ifndef FACEPAIR_MODEL_NETWORK_CPU_INSTRUCTIONS_H
#define FACEPAIR_MODEL_NETWORK_CPU_INSTRUCTIONS_H

#define CPU_JOIN(name, set) name##_##set
#define CPU_NAME_OF(name, set) CPU_JOIN(name, set)
#define CPU_NAME(name) CPU_NAME_OF(name, FACEPAIR_CPU)

#define convolution_close CPU_NAME(convolution_close)
#define convolution_open CPU_NAME(convolution_open)
#define convolution_open_planes CPU_NAME(convolution_open_planes)
#define convolution_run CPU_NAME(convolution_run)
#define layer_close CPU_NAME(layer_close)
#define layer_open CPU_NAME(layer_open)
#define layer_run CPU_NAME(layer_run)
#define layer_scratch_floats CPU_NAME(layer_scratch_floats)
#define winograd_close CPU_NAME(winograd_close)
#define winograd_open CPU_NAME(winograd_open)
#define winograd_run CPU_NAME(winograd_run)
#define winograd_scratch_floats CPU_NAME(winograd_scratch_floats)

#endif
