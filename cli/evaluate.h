/* `facepair evaluate`, in its two kinds: a list of pairs, or all pairs of a list of people. */
#ifndef FACEPAIR_CLI_EVALUATE_H
#define FACEPAIR_CLI_EVALUATE_H

#include "cli/session.h"
#include "model/card.h"
#include "model/error_rates.h"
#include "model/measure/options.h"

struct evaluate_settings {
    const char *pairs, *people, *split, *part, *master_part, *groups, *images;
    const char *distances, *plot, *protocol, *data, *device;
    double threshold;
    unsigned face, no_face; /* indexes into FACES_WHICH and FACES_WITHOUT */
    bool all_pairs, view2, json, record;
    int64_t threads, replicates, seed;
    struct option_list trusted;
    char protocol_name[CARD_PROTOCOL_SIZE]; /* --protocol, or the file's name */
};

/* Each opens the session itself, after the files that are quick to refuse. */
enum status evaluate_pairs(const struct evaluate_settings *settings, const char *model,
                           struct error *err);
enum status evaluate_people(const struct evaluate_settings *settings, const char *model,
                            struct error *err);

/* In common: what is to be measured; opening; one row of the table of operating points for people;
 * evaluation.json to stdout (--json) and into the version's directory (--record). */
struct measure_options evaluate_options(const struct evaluate_settings *settings);
enum status evaluate_open(const struct evaluate_settings *settings, const char *model,
                          struct session *session, struct error *err);
void evaluate_print_points(const struct operating_point *points, size_t count);
enum status evaluate_emit(const struct evaluate_settings *settings, const struct session *session,
                          char *json, size_t size, struct error *err);

#endif
