/* dlib's own network and chips, for the parity test. */
#ifndef FACEPAIR_TESTS_PARITY_REFERENCE_H
#define FACEPAIR_TESTS_PARITY_REFERENCE_H

#include <cstdint>
#include <string>
#include <vector>

constexpr int CHIP_SIDE = 150, EMBEDDING = 128;

struct chip {
    std::string name;
    std::vector<uint8_t> rgb; /* (150, 150, 3) */
};

/* The largest face of each photograph and its mirrored, rotated and scaled kin, found and cut by
 * dlib alone. */
std::vector<chip> reference_chips(const std::string &photos, const std::string &predictor);

/* (chips, 128) by dlib's network, read by dlib's deserialiser. */
std::vector<float> reference_embeddings(const std::string &weights, const std::vector<chip> &chips);

#endif
