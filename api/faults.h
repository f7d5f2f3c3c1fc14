/* What is wrong with a request: all of it, in the order found. A request with one fault and one
 * with many go the same way: faults_add() wherever something is wrong, problem_reply_faults() at
 * the end. */
#ifndef FACEPAIR_API_FAULTS_H
#define FACEPAIR_API_FAULTS_H

#include "server/status.h"

#include <stdbool.h>
#include <stddef.h>

/* More parts or members than FAULTS_MAX are refused before their names are looked at. */
enum { FAULTS_MAX = 40, FAULT_FIELD_SIZE = 65 };

struct fault {
    enum status status;
    char field[FAULT_FIELD_SIZE]; /* empty: no single field is at fault; cut when longer */
    struct error error;
};

struct faults {
    size_t count;
    unsigned retry_after_s; /* of a 503; 0: as problem.c has it */
    struct fault list[FAULTS_MAX];
};

void faults_init(struct faults *faults);
/* field may be NULL. What does not fit any more is dropped: the first FAULTS_MAX are enough to act
 * on. */
void faults_add(struct faults *faults, enum status status, const char *field, const char *format,
                ...) __attribute__((format(printf, 4, 5)));
void faults_add_error(struct faults *faults, enum status status, const char *field,
                      const struct error *err);

#endif
