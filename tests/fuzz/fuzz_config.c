/* What an operator hands to the program: the command line and the environment of `serve`, the file
 * of callers' keys, the file of token keys; the first byte says which. Of a command line each line
 * of the input is one argument, and one that begins with FACEPAIR_ goes to the environment. */
#include "api/keys.h"
#include "api/scopes.h"
#include "cli/options.h"
#include "cli/serve_settings.h"
#include "model/token_keys.h"
#include "tests/fuzz/file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { ARGUMENTS_MAX = 64 };

/* Usage and mistakes are not for this terminal; libFuzzer keeps its own stream. */
int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    stdout = stderr = fopen("/dev/null", "w");
    return stdout ? 0 : -1;
}

static void check_settings(const struct serve_settings *settings) {
    assert(settings->listen[0] && settings->connections > 0);
    assert(settings->default_max_fmr > 0 && settings->default_max_fmr <= 1);
    assert(isfinite(settings->drain_delay_s) && settings->drain_delay_s >= 0);
    assert(settings->also_load.count <= OPTION_LIST_MAX);
}

static void read_command_line(const uint8_t *bytes, size_t size) {
    char *text = strndup((const char *)bytes, size), *save = NULL;
    char command[] = "serve", *argv[ARGUMENTS_MAX + 1] = {command};
    char silent[] = "FACEPAIR_LOG_LEVEL=off"; /* unless the input says another */
    assert(text);
    int argc = 1, code = -1;
    clearenv();
    putenv(silent);
    for (char *line = strtok_r(text, "\n", &save); line && argc < ARGUMENTS_MAX;
         line = strtok_r(NULL, "\n", &save))
        if (strncmp(line, "FACEPAIR_", 9) == 0 && strchr(line, '='))
            putenv(line);
        else
            argv[argc++] = line;
    struct serve_settings settings = serve_settings_default();
    if (serve_settings_parse(&settings, argc, argv, &code))
        check_settings(&settings);
    else
        assert(code == EXIT_DONE || code == EXIT_USAGE);
    option_list_release(&settings.allowed_hosts);
    option_list_release(&settings.allowed_origins);
    option_list_release(&settings.trusted_modules);
    option_list_release(&settings.also_load);
    option_list_release(&settings.trusted_proxies);
    clearenv();
    free(text);
}

static void read_keys(const uint8_t *bytes, size_t size) {
    struct fuzz_file file;
    struct keys *keys;
    struct error err = {""};
    fuzz_file_open(&file, bytes, size);
    fchmod(file.fd, 0600);
    if (keys_read(file.path, &keys, &err) == STATUS_OK) {
        assert(keys_count(keys) <= KEYS_MAX);
        for (size_t i = 0; i < keys_count(keys); i++)
            assert(strlen(keys_at(keys, i)->id) == KEY_ID_SIZE - 1);
        struct key *found = keys_find(keys, "fp_0123456789abcdef_AAAA");
        assert(!found);
        keys_destroy(keys);
    } else {
        assert(err.detail[0]);
    }
    fuzz_file_close(&file);
}

static void read_token_keys(const uint8_t *bytes, size_t size) {
    struct fuzz_file file;
    struct token_keys *keys;
    struct error err = {""};
    fuzz_file_open(&file, bytes, size);
    fchmod(file.fd, 0600);
    if (token_keys_read(file.path, &keys, &err) == STATUS_OK) {
        assert(token_keys_count(keys) > 0 && token_keys_count(keys) <= TOKEN_KEYS_MAX);
        token_keys_destroy(keys);
    } else {
        assert(err.detail[0]);
    }
    fuzz_file_close(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static void (*const readers[])(const uint8_t *bytes,
                                   size_t size) = {read_command_line, read_keys, read_token_keys};
    if (size > 0)
        readers[bytes[0] % (sizeof readers / sizeof readers[0])](bytes + 1, size - 1);
    return 0;
}
