/* How a network's numbers become an embedding: the "embedding" object of a card.
 *
 *     {"length": 128, "distance": "euclidean",
 *      "mirror": true, "normalise": "l2", "head": {"input_length": 128}}
 *
 * The last three are optional, and done in this order (model/network/finish.h):
 *
 *   mirror     the mean of what the network gives for the input and for its mirror image
 *   normalise  "l2": divided by its Euclidean length
 *   head       multiplied by the matrix embedding.head.weight (length, input_length) of the weights
 *              file
 *
 * "length" is that of the finished embedding; what the network itself gives is as long, unless a
 * head says otherwise.
 */
#ifndef FACEPAIR_MODEL_CARD_EMBEDDING_H
#define FACEPAIR_MODEL_CARD_EMBEDDING_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { CARD_EMBEDDING_LENGTH_MAX = 4096 };

/* The head's tensor. Networks have heads of their own: dlib's last layer is "head.weight". */
#define CARD_HEAD_TENSOR "embedding.head.weight"

struct card_embedding {
    uint32_t network_length; /* numbers that the network gives; as many as it embeds to, unless
                              * there is a head */
    bool mirror, normalise, head;
};

struct json_node;
struct json_writer;
/* The optional members of the object; `length` is what it says. Faults go to the node's reader. */
void card_embedding_read(const struct json_node *object, uint32_t length,
                         struct card_embedding *embedding);
/* The optional members, without the head, whose object says more than its length; the caller has
 * opened the object. */
void card_embedding_write(struct json_writer *json, const struct card_embedding *embedding);

#ifdef __cplusplus
}
#endif
#endif
