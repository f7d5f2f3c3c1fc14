/* What tests may rely on of tests/stub_network.c beyond network.h. */
#ifndef FACEPAIR_TESTS_STUB_NETWORK_H
#define FACEPAIR_TESTS_STUB_NETWORK_H

/* A face whose first value is this makes network_embed fail, as a device out of memory would. (A
 * NaN anywhere that is sampled makes a NaN in the embedding, as broken weights would.) */
#define STUB_FACE_FAILS (-12345.0f)
/* And this one makes it take three seconds, as a device that hangs would. */
#define STUB_FACE_HANGS (-23456.0f)

#endif
