/* From two embeddings to a decision and what is told of it: the same for a pair of photographs and
 * for a pair of embeddings. */
#ifndef FACEPAIR_API_VERDICT_H
#define FACEPAIR_API_VERDICT_H

#include "api/work.h"
#include "model/decision.h"
#include "model/json.h"

struct verdict {
    struct decision decision;
    double distance;
    bool verified;
};

/* The rule that the options ask for, as work->version's card has it; false: replied with the fault.
 */
bool verdict_choose_rule(struct work *work, struct verdict *verdict);
/* a, b: (embedding_length) of work->version. False: the distance is not finite; 500 was replied. */
bool verdict_reach(struct work *work, const float *a, const float *b, struct verdict *verdict);

/* The members "verified" to "model" of an answer, and its "warnings"; more: another one, or NULL.
 */
void verdict_write(struct json_writer *json, const struct work *work,
                   const struct verdict *verdict);
void verdict_write_warnings(struct json_writer *json, const struct work *work, const char *more);
/* Counts and records it, and answers with the text (from malloc; NULL: memory ran out). Where it
 * cannot be recorded, 507 is answered. */
void verdict_answer(struct work *work, const struct verdict *verdict, char *text, size_t size,
                    const struct timing *timings);

#endif
