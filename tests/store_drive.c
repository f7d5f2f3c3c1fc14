/* The trainer's part of a job, a step a call, for tests of what others see of it:
 *
 *     store_drive DATA check NAME ready|rejected [CODE MESSAGE]
 *     store_drive DATA claim                           prints the job's claim: ID ATTEMPT NUMBER
 *     store_drive DATA progress CLAIM EPOCH STEP STEPS
 *     store_drive DATA metrics CLAIM EPOCH TRAIN_LOSS VALIDATION_LOSS
 *     store_drive DATA checkpoint CLAIM EPOCH FILE BYTES
 *     store_drive DATA log CLAIM TEXT
 *     store_drive DATA evaluating CLAIM
 *     store_drive DATA finish CLAIM STATE [MODEL VERSION better|worse EVALUATION]
 *     store_drive DATA fail CLAIM CODE MESSAGE
 *
 * Exits 1 with the status' code where the store refuses.
 */
#include "model/store/datasets.h"
#include "model/store/runner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEASE_MS = 3600 * 1000, CLAIM_ARGUMENTS = 3 };

struct drive {
    struct store *store;
    struct store_claim claim;
    int count;
    char **arguments; /* behind the command, and behind the claim where there is one */
    struct error *err;
};

static const char *argument(const struct drive *drive, int index) {
    return index < drive->count ? drive->arguments[index] : "";
}

static unsigned number(const struct drive *drive, int index) {
    return (unsigned)strtoul(argument(drive, index), NULL, 10);
}

static double real(const struct drive *drive, int index) {
    return strtod(argument(drive, index), NULL);
}

/* Those that wait longer are found ready on the way. */
static enum status check(struct drive *drive) {
    struct store_claim claim;
    struct store_dataset dataset;
    bool claimed = false;
    enum status status = store_dataset_claim(drive->store, "drive", LEASE_MS, &claim, &dataset,
                                             &claimed, drive->err);
    if (status != STATUS_OK)
        return status;
    if (!claimed)
        return error_set(drive->err, STATUS_NOT_FOUND, "it does not wait");
    dataset.state = DATASET_READY;
    if (strcmp(dataset.name, argument(drive, 0)) != 0) {
        status = store_dataset_checked(drive->store, &claim, &dataset, drive->err);
        return status == STATUS_OK ? check(drive) : status;
    }
    if (strcmp(argument(drive, 1), "rejected") == 0)
        dataset.state = DATASET_REJECTED;
    dataset.people = 2;
    dataset.images = dataset.files;
    snprintf(dataset.error_code, sizeof dataset.error_code, "%s", argument(drive, 2));
    snprintf(dataset.error_message, sizeof dataset.error_message, "%s", argument(drive, 3));
    return store_dataset_checked(drive->store, &claim, &dataset, drive->err);
}

static enum status claim(struct drive *drive) {
    struct store_job job;
    bool claimed = false;
    enum status status =
        store_claim_job(drive->store, "drive", LEASE_MS, &drive->claim, &job, &claimed, drive->err);
    if (status == STATUS_OK && !claimed)
        return error_set(drive->err, STATUS_NOT_FOUND, "no job waits");
    if (status != STATUS_OK)
        return status;
    printf("%s %u %llu\n", drive->claim.id, drive->claim.attempt,
           (unsigned long long)drive->claim.number);
    store_job_release(&job);
    return STATUS_OK;
}

static enum status progress(struct drive *drive) {
    return store_claim_progress(drive->store, &drive->claim, number(drive, 0), number(drive, 1),
                                number(drive, 2), 1.5, drive->err);
}

static enum status metrics(struct drive *drive) {
    return store_claim_metrics(drive->store, &drive->claim, number(drive, 0), real(drive, 1),
                               real(drive, 2), number(drive, 0), real(drive, 2), drive->err);
}

static enum status checkpoint(struct drive *drive) {
    struct store_checkpoint made = {
        .epoch = number(drive, 0), .bytes = number(drive, 2), .validation_loss = NAN};
    snprintf(made.file, sizeof made.file, "%s", argument(drive, 1));
    return store_claim_checkpoint(drive->store, &drive->claim, &made, drive->err);
}

static enum status log_line(struct drive *drive) {
    return store_claim_log(drive->store, &drive->claim, argument(drive, 0), drive->err);
}

static enum status evaluating(struct drive *drive) {
    return store_claim_evaluating(drive->store, &drive->claim, drive->err);
}

static enum status finish(struct drive *drive) {
    struct store_outcome outcome = {0};
    if (!job_state_parse(argument(drive, 0), &outcome.state))
        return error_set(drive->err, STATUS_INVALID_FIELD, "no such state");
    if (drive->count > 1) {
        outcome.model = argument(drive, 1);
        outcome.version = argument(drive, 2);
        outcome.better = strcmp(argument(drive, 3), "better") == 0;
        outcome.evaluation = argument(drive, 4);
    }
    return store_claim_finish(drive->store, &drive->claim, &outcome, drive->err);
}

static enum status fail(struct drive *drive) {
    const struct store_outcome outcome = {
        .state = JOB_FAILED, .error_code = argument(drive, 0), .error_message = argument(drive, 1)};
    return store_claim_finish(drive->store, &drive->claim, &outcome, drive->err);
}

static const struct command {
    const char *name;
    bool claimed;
    enum status (*run)(struct drive *drive);
} COMMANDS[] = {
    {"check", false, check},          {"claim", false, claim},  {"progress", true, progress},
    {"metrics", true, metrics},       {"log", true, log_line},  {"checkpoint", true, checkpoint},
    {"evaluating", true, evaluating}, {"finish", true, finish}, {"fail", true, fail},
};

static enum status run(struct drive *drive, const char *name) {
    for (size_t i = 0; i < sizeof COMMANDS / sizeof COMMANDS[0]; i++) {
        const struct command *command = &COMMANDS[i];
        if (strcmp(command->name, name) != 0)
            continue;
        if (command->claimed) {
            snprintf(drive->claim.id, sizeof drive->claim.id, "%s", argument(drive, 0));
            drive->claim.attempt = number(drive, 1);
            drive->claim.number = strtoull(argument(drive, 2), NULL, 10);
            drive->arguments += CLAIM_ARGUMENTS;
            drive->count -= CLAIM_ARGUMENTS;
        }
        return command->run(drive);
    }
    return error_set(drive->err, STATUS_INVALID_FIELD, "no command %s", name);
}

int main(int argc, char **argv) {
    if (argc < 3)
        return 2;
    struct error err;
    struct drive drive = {.count = argc - 3, .arguments = argv + 3, .err = &err};
    enum status status = store_open(&(struct store_options){.data = argv[1]}, &drive.store, &err);
    if (status == STATUS_OK)
        status = run(&drive, argv[2]);
    store_close(drive.store);
    if (status != STATUS_OK)
        fprintf(stderr, "%s: %s\n", status_code(status), err.detail);
    return status != STATUS_OK;
}
