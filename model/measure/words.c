/* Apart from what embeds, for who reads a spec alone. */
#include "model/measure/faces.h"

const char *const FACES_WHICH[] = {"largest", "centre", "only", NULL};
const char *const FACES_WITHOUT[] = {"reject", "centre", NULL};
