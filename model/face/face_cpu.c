/* Whether this processor can run the detector. Compiled for the baseline architecture, so that an
 * older processor reaches the answer instead of an illegal instruction. */
#include "model/face/face.h"

bool face_cpu_supported(void) {
#ifdef FACEPAIR_X86_64_V3
    /* The extensions of x86-64-v3 that compilers agree on a name for; every processor that has
     * these four has the other three (F16C, LZCNT, MOVBE). */
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
#else
    return true;
#endif
}
