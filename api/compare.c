/* POST /v1/compare. What comes before is api/work.h's.
 *
 *   open_tokens  pool    after the JSON was read: the tokens are opened
 *   begin        loop    the version, which must be one; what each embedding must be; the decision
 *
 * A vector that its sender chose could be made to be near to everybody, so components are taken
 * only where --allow-raw-embeddings says so, and of any origin a vector nearer to the mean than
 * genuine faces are is refused (model/card_typical.h).
 */
#include "api/compare.h"

#include "api/attempt.h"
#include "api/authorize.h"
#include "api/verdict.h"
#include "model/token.h"
#include "server/clock.h"

#include <stdio.h>
#include <string.h>

struct compare {
    struct work work;                     /* first */
    struct token tokens[BODY_EMBEDDINGS]; /* values NULL: components were sent */
    struct verdict verdict;
};

static struct compare *compare_of(struct work *work) { return (struct compare *)work; }

static void open_tokens(struct work *work) {
    struct compare *compare = compare_of(work);
    for (int i = 0; i < BODY_EMBEDDINGS; i++) {
        const struct body_embedding *sent = &work->body.embeddings[i];
        struct error err;
        enum status status = STATUS_OK;
        if (sent->token)
            status = token_open(work->service->token_keys, sent->token, sent->token_size,
                                clock_wall_ms(), &compare->tokens[i], &err);
        if (status != STATUS_OK)
            faults_add_error(work->faults, status, BODY_EMBEDDING_FIELDS[i], &err);
    }
}

/* ---- which version ---- */

static bool is_token(const struct compare *compare, int i) {
    return compare->tokens[i].values != NULL;
}

static bool of_version(const struct token *token, const char *name, const char *version) {
    return strcmp(token->name, name) == 0 && strcmp(token->version, version) == 0;
}

static void refuse_versions(struct work *work, int i, const char *name, const char *version) {
    const struct token *token = &compare_of(work)->tokens[i];
    struct error err;
    error_set(&err, STATUS_VERSION_MISMATCH,
              "The embedding is one of %s@%s and would be compared with one of %s@%s; embed both "
              "photographs with one version.",
              token->name, token->version, name, version);
    work_reply_fault(work, STATUS_VERSION_MISMATCH, BODY_EMBEDDING_FIELDS[i], &err);
}

/* The version of two tokens without `model` is their own, as long as it is loaded. */
static bool acquire_of_tokens(struct work *work) {
    const struct token *token = &compare_of(work)->tokens[0];
    char model[CARD_NAME_MAX + 1 + CARD_VERSION_MAX + 1];
    snprintf(model, sizeof model, "%s@%s", token->name, token->version);
    struct error err;
    if (registry_acquire(work->service->registry, model, &work->version, NULL) == STATUS_OK)
        return true;
    error_set(&err, STATUS_UNKNOWN_MODEL,
              "The embeddings are of %s, which is not loaded any more; embed the photographs anew.",
              model);
    work_reply_fault(work, STATUS_UNKNOWN_MODEL, BODY_EMBEDDING_FIELDS[0], &err);
    return false;
}

/* Components are of the version that `model` names, or of the default; tokens say whose they are.
 * All must be of one. */
static bool acquire(struct work *work) {
    struct compare *compare = compare_of(work);
    const struct request_options *options = &work->body.options;
    const struct token *tokens = compare->tokens;
    bool only_tokens = is_token(compare, 0) && is_token(compare, 1);
    if (only_tokens && !of_version(&tokens[1], tokens[0].name, tokens[0].version)) {
        refuse_versions(work, 1, tokens[0].name, tokens[0].version);
        return false;
    }
    if (only_tokens && !options->given[OPTION_MODEL])
        return acquire_of_tokens(work);
    if (!work_acquire(work, options->given[OPTION_MODEL] ? options->model : NULL))
        return false;
    const struct card *card = &work->version->card;
    for (int i = 0; i < BODY_EMBEDDINGS; i++) {
        if (is_token(compare, i) && !of_version(&tokens[i], card->name, card->version)) {
            refuse_versions(work, i, card->name, card->version);
            return false;
        }
    }
    return true;
}

/* ---- what each embedding must be ---- */

static const float *values_of(const struct compare *compare, int i) {
    return is_token(compare, i) ? compare->tokens[i].values
                                : compare->work.body.embeddings[i].values;
}

static uint32_t length_of(const struct compare *compare, int i) {
    return is_token(compare, i) ? compare->tokens[i].length
                                : compare->work.body.embeddings[i].length;
}

static bool raw_allowed(struct work *work) {
    if (authorize_raw_embeddings(work->request))
        return true;
    for (int i = 0; i < BODY_EMBEDDINGS; i++)
        if (!is_token(compare_of(work), i))
            faults_add(
                work->faults, STATUS_INSUFFICIENT_SCOPE, BODY_EMBEDDING_FIELDS[i],
                "Components are taken from keys with the scope embed:raw or, where no keys are "
                "asked for, with --allow-raw-embeddings; send the token of POST "
                "/v1/embeddings.");
    if (work->faults->count > 0)
        work_reply_faults(work);
    return work->faults->count == 0;
}

static bool embeddings_fit(struct work *work) {
    const struct compare *compare = compare_of(work);
    const struct card *card = &work->version->card;
    for (int i = 0; i < BODY_EMBEDDINGS; i++)
        if (length_of(compare, i) != card->embedding_length)
            faults_add(work->faults, STATUS_INVALID_FIELD, BODY_EMBEDDING_FIELDS[i],
                       "An embedding of %s@%s has %u components, this one %u.", card->name,
                       card->version, card->embedding_length, length_of(compare, i));
    if (work->faults->count > 0)
        work_reply_faults(work);
    return work->faults->count == 0;
}

static bool embeddings_typical(struct work *work) {
    const struct card *card = &work->version->card;
    for (int i = 0; i < BODY_EMBEDDINGS; i++)
        if (decision_atypical(card, values_of(compare_of(work), i)))
            faults_add(work->faults, STATUS_ATYPICAL_EMBEDDING, BODY_EMBEDDING_FIELDS[i],
                       "The embedding is nearer to the mean of all faces than %g %% of genuine "
                       "faces are; embed another photograph of the person.",
                       100 * (1 - card->typical.share));
    if (work->faults->count > 0)
        work_reply_faults(work);
    return work->faults->count == 0;
}

/* ---- the answer ---- */

static char *answer_text(const struct compare *compare, const struct timing *timings,
                         size_t *size) {
    struct json_writer *json = json_writer_create_compact();
    if (!json)
        return NULL;
    bool checked = decision_typical_known(&compare->work.version->card);
    json_write_object(json, NULL);
    verdict_write(json, &compare->work, &compare->verdict);
    timings_write(json, timings);
    verdict_write_warnings(json, &compare->work, checked ? NULL : "atypicality_not_checked");
    json_write_end(json);
    return json_writer_finish(json, size);
}

static void answer(struct work *work) {
    struct compare *compare = compare_of(work);
    uint64_t started_us = http_request_started_us(work->request);
    const struct timing timings[] = {
        {"receive", timing_between_ms(started_us, http_request_received_us(work->request))},
        {"total", timing_between_ms(started_us, clock_monotonic_us())},
        {NULL, 0},
    };
    size_t size = 0;
    char *text = answer_text(compare, timings, &size);
    verdict_answer(work, &compare->verdict, text, size, timings);
}

static bool choose(struct work *work) {
    return raw_allowed(work) && acquire(work) && embeddings_fit(work) && embeddings_typical(work) &&
           verdict_choose_rule(work, &compare_of(work)->verdict);
}

static void begin(struct work *work) {
    struct compare *compare = compare_of(work);
    if (verdict_reach(work, values_of(compare, 0), values_of(compare, 1), &compare->verdict))
        attempt_decide(work, compare->verdict.verified, answer);
}

static void release(struct work *work) {
    for (int i = 0; i < BODY_EMBEDDINGS; i++)
        token_release(&compare_of(work)->tokens[i]);
}

static const struct body_shape SHAPE = {
    .options = OPTION_BIT(OPTION_MODEL) | OPTION_BIT(OPTION_MAX_FMR) |
               OPTION_BIT(OPTION_THRESHOLD) | OPTION_BIT(OPTION_PRIOR) | OPTION_BIT(OPTION_SUBJECT),
    .embeddings = true,
};

static const struct work_kind KIND = {
    .size = sizeof(struct compare),
    .tasks = 1,
    .shape = &SHAPE,
    .read = open_tokens,
    .choose = choose,
    .begin = begin,
    .release = release,
};

enum status compare_admit(struct http_request *request, struct error *err) {
    return work_admit(request, &KIND, err);
}
