/* `facepair evaluate`: labelled pairs of photographs -> how often the model's decisions are right.
 * Each photograph is prepared and embedded once, in however many pairs it stands. */
#include "cli/command.h"
#include "cli/photographs.h"
#include "model/dataset.h"
#include "model/decision.h"
#include "model/digest.h"
#include "model/evaluation.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const FACES[] = {"largest", "centre", "only", NULL};
static const enum face_choice FACE_OF[] = {FACE_LARGEST, FACE_CENTRE, FACE_ONLY};
static const char *const NO_FACES[] = {"reject", "centre", NULL};
static const enum prepare_no_face NO_FACE_OF[] = {PREPARE_REJECT, PREPARE_CENTRE};

enum { PROTOCOL_SIZE = 64, BAR_WIDTH = 40 };

struct settings {
    const char *pairs, *images, *distances, *protocol, *data, *device;
    double threshold;
    unsigned face, no_face;
    bool json;
    int64_t threads;
};

/* Everything of one run; released as a whole. */
struct run {
    struct settings settings;
    char protocol[PROTOCOL_SIZE];
    char pairs_sha256[DIGEST_TEXT_SIZE];
    struct dataset_pairs dataset;
    struct session session;
    struct photograph *photographs;   /* images_count */
    float *embeddings;                /* (images_count, embedding_length) */
    struct evaluation_pair *measured; /* the pairs of which both images have a face */
    size_t measured_count, faces_not_found;
    struct evaluation evaluation;
};

/* ---- computing ---- */

static void progress(size_t done, size_t total) {
    char bar[BAR_WIDTH + 1];
    size_t filled = done * BAR_WIDTH / total;
    memset(bar, '#', filled);
    memset(bar + filled, '.', BAR_WIDTH - filled);
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, "\r[%s] %zu/%zu images%s", bar, done, total, done == total ? "\n" : "");
}

static enum status embed_images(struct run *run, struct error *err) {
    size_t count = run->dataset.images_count;
    run->photographs = calloc(count, sizeof(*run->photographs));
    run->embeddings = calloc(count * run->session.version->card.embedding_length, sizeof(float));
    if (!run->photographs || !run->embeddings)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    for (size_t i = 0; i < count; i++)
        run->photographs[i].name = run->dataset.images[i];
    const struct photographs_options options = {
        .directory = run->settings.images,
        .face = FACE_OF[run->settings.face],
        .no_face = NO_FACE_OF[run->settings.no_face],
        .progress = isatty(STDERR_FILENO) ? progress : NULL,
    };
    return photographs_embed(&run->session, &options, run->photographs, count, run->embeddings,
                             err);
}

/* A photograph without a face is counted; one that cannot be read makes every number worthless. */
static enum status check_images(struct run *run, struct error *err) {
    for (size_t i = 0; i < run->dataset.images_count; i++) {
        const struct photograph *photograph = &run->photographs[i];
        bool found = photograph->status == STATUS_OK && photograph->about.face.score > 0;
        if (photograph->status != STATUS_OK && !photograph_lacks_face(photograph)) {
            *err = photograph->error;
            return photograph->status;
        }
        run->faces_not_found += !found;
    }
    return STATUS_OK;
}

static enum status measure(struct run *run, struct error *err) {
    uint32_t length = run->session.version->card.embedding_length;
    run->measured = calloc(run->dataset.pairs_count, sizeof(*run->measured));
    if (!run->measured)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    for (size_t i = 0; i < run->dataset.pairs_count; i++) {
        const struct dataset_pair *pair = &run->dataset.pairs[i];
        if (run->photographs[pair->a].status != STATUS_OK ||
            run->photographs[pair->b].status != STATUS_OK)
            continue;
        const float *a = run->embeddings + (size_t)pair->a * length;
        const float *b = run->embeddings + (size_t)pair->b * length;
        run->measured[run->measured_count++] = (struct evaluation_pair){
            .distance = decision_distance(a, b, length), .same = pair->same};
    }
    return evaluation_measure(run->measured, run->measured_count, run->settings.threshold,
                              &run->evaluation, err);
}

/* ---- telling ---- */

static void print_for_people(const struct run *run) {
    const struct evaluation *e = &run->evaluation;
    const struct card *card = &run->session.version->card;
    printf("model             %s@%s\n", card->name, card->version);
    printf("protocol          %s (face: %s; without a face: %s)\n", run->protocol,
           FACES[run->settings.face], NO_FACES[run->settings.no_face]);
    printf("pairs             %zu of %zu (%zu genuine, %zu impostor)\n", e->pairs,
           run->dataset.pairs_count, e->genuine, e->impostor);
    printf("images            %u, %zu without the face asked for%s\n", run->dataset.images_count,
           run->faces_not_found,
           run->settings.no_face == 0 ? " (their pairs are left out)" : " (their centre is used)");
    printf("threshold         %g\n", e->threshold);
    printf("accuracy          %.4f\n", e->accuracy);
    printf("precision         %.4f\n", e->precision);
    printf("recall            %.4f\n", e->recall);
    printf("F1                %.4f\n", e->f1);
    printf("FMR, FNMR         %.4f, %.4f\n", e->fmr, e->fnmr);
    printf("ROC AUC           %.6f\n", e->roc_auc);
    printf("EER               %.4f (at threshold %.4f)\n", e->eer, e->eer_threshold);
}

static enum status print_json(const struct run *run, struct error *err) {
    const struct card *card = &run->session.version->card;
    const struct evaluation_report report = {.protocol = run->protocol,
                                             .model = card->name,
                                             .version = card->version,
                                             .weights_sha256 = card->weights_sha256,
                                             .pairs_sha256 = run->pairs_sha256,
                                             .face = FACES[run->settings.face],
                                             .no_face = NO_FACES[run->settings.no_face],
                                             .pairs_listed = run->dataset.pairs_count,
                                             .images = run->dataset.images_count,
                                             .faces_not_found = run->faces_not_found,
                                             .evaluation = &run->evaluation};
    size_t size;
    char *json = evaluation_json(&report, &size);
    if (!json)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    fwrite(json, 1, size, stdout);
    free(json);
    return STATUS_OK;
}

/* One line a measured pair, in the order of the pairs file. */
static enum status write_distances(const struct run *run, struct error *err) {
    FILE *file = fopen(run->settings.distances, "we");
    if (!file)
        return error_set(err, STATUS_INTERNAL, "%.180s: %.60s", run->settings.distances,
                         strerror(errno));
    fprintf(file, "same\tdistance\timage1\timage2\n");
    size_t next = 0;
    for (size_t i = 0; i < run->dataset.pairs_count; i++) {
        const struct dataset_pair *pair = &run->dataset.pairs[i];
        const struct photograph *a = &run->photographs[pair->a], *b = &run->photographs[pair->b];
        if (a->status == STATUS_OK && b->status == STATUS_OK)
            fprintf(file, "%d\t%.9g\t%s\t%s\n", pair->same, run->measured[next++].distance, a->name,
                    b->name);
    }
    bool written = !ferror(file);
    if (fclose(file) != 0 || !written)
        return error_set(err, STATUS_INTERNAL, "%.180s: cannot be written",
                         run->settings.distances);
    return STATUS_OK;
}

/* ---- the command ---- */

/* --protocol, or the pairs file's name without its directory and ending. */
static void name_protocol(struct run *run) {
    if (run->settings.protocol) {
        snprintf(run->protocol, sizeof(run->protocol), "%s", run->settings.protocol);
        return;
    }
    const char *slash = strrchr(run->settings.pairs, '/');
    snprintf(run->protocol, sizeof(run->protocol), "%s", slash ? slash + 1 : run->settings.pairs);
    char *dot = strrchr(run->protocol, '.');
    if (dot && dot != run->protocol)
        *dot = '\0';
}

static enum status compute(struct run *run, struct error *err) {
    enum status status = embed_images(run, err);
    if (status == STATUS_OK)
        status = check_images(run, err);
    if (status == STATUS_OK)
        status = measure(run, err);
    if (status == STATUS_OK && run->settings.distances)
        status = write_distances(run, err);
    if (status == STATUS_OK && run->settings.json)
        status = print_json(run, err);
    else if (status == STATUS_OK)
        print_for_people(run);
    return status;
}

static enum status evaluate(struct run *run, const char *model, struct error *err) {
    const struct session_options options = {.data = run->settings.data,
                                            .device = run->settings.device,
                                            .threads = (unsigned)run->settings.threads,
                                            .model = model};
    name_protocol(run);
    enum status status = digest_file(run->settings.pairs, run->pairs_sha256, err);
    if (status == STATUS_OK)
        status = dataset_pairs_read(run->settings.pairs, &run->dataset, err);
    if (status != STATUS_OK)
        return status;
    status = session_open(&options, &run->session, err);
    if (status == STATUS_OK) {
        status = compute(run, err);
        session_close(&run->session);
    }
    dataset_pairs_release(&run->dataset);
    free(run->photographs);
    free(run->embeddings);
    free(run->measured);
    return status;
}

int cli_evaluate(int argc, char **argv) {
    struct run run = {.settings = {.device = "cpu", .threshold = 0.6}};
    struct settings *s = &run.settings;
    const struct option_spec table[] = {
        {"pairs", "FILE", "labelled pairs in LFW's format (pairs.txt, pairsDevTest.txt)",
         OPTION_STRING, .to.string = &s->pairs},
        {"images", "DIR", "where NAME/NAME_0001.jpg stand", OPTION_STRING, .to.string = &s->images},
        {"threshold", "T", "accept below this distance (0.6)", OPTION_REAL,
         .to.real = &s->threshold, .real = {0, 1e9}},
        {"face", "WHICH", "largest (default), centre or only: the face used of several",
         OPTION_CHOICE, .to.choice = &s->face, .choices = FACES},
        {"no-face", "WHAT",
         "reject (default): leave the image's pairs out, and count them; centre: use the box at "
         "the "
         "image's centre",
         OPTION_CHOICE, .to.choice = &s->no_face, .choices = NO_FACES},
        {"json", NULL, "print evaluation.json", OPTION_FLAG, .to.flag = &s->json},
        {"distances", "FILE", "write each pair's distance, tab-separated", OPTION_STRING,
         .to.string = &s->distances},
        {"protocol", "NAME", "what the numbers are to be called (default: the pairs file's name)",
         OPTION_STRING, .to.string = &s->protocol},
        {"data", "DIR", "the data directory", OPTION_STRING, .to.string = &s->data},
        {"device", "D", "cpu (default) or cuda:N", OPTION_STRING, .to.string = &s->device},
        {"threads", "N", "threads of each stage (0: one for each CPU granted)", OPTION_INTEGER,
         .to.integer = &s->threads, .integer = {0, 1024}},
    };
    const struct options options = {
        .command = "evaluate",
        .arguments = "MODEL --pairs FILE --images DIR",
        .arguments_min = 1,
        .arguments_max = 1,
        .summary = "Measures a model (NAME or NAME@VERSION) on labelled pairs of photographs.",
        .table = table,
        .count = OPTIONS_COUNT(table)};
    struct options_arguments arguments;
    int code;
    if (!options_parse(&options, argc, argv, &arguments, &code))
        return code;
    if (!s->pairs || !s->images)
        return options_mistake(&options, "--pairs and --images are needed");
    if (s->protocol && strlen(s->protocol) >= PROTOCOL_SIZE)
        return options_mistake(&options, "--protocol has at most %d bytes", PROTOCOL_SIZE - 1);
    struct error err;
    if (evaluate(&run, arguments.values[0], &err) != STATUS_OK)
        return cli_failed(options.command, err.detail);
    return cli_flushed(options.command);
}
