/* PyTorch state dicts: what torch.save wrote is read, and nothing else. */
#include "pth_file.h"

#include "model/import/pth.h"

#define GOLDEN FACEPAIR_SOURCE_DIR "/tests/parity/vit/notebook/weights.pth"
#define SOUND PICKLED_SOUND

static const float SIX[] = {1, 2, 3, 4, 5, 6};

static enum status open_bytes(const void *bytes, size_t size, struct pth **file,
                              struct error *err) {
    struct folder folder = folder_create();
    char path[128];
    snprintf(path, sizeof(path), "%s/it.pth", folder.path);
    folder_write(&folder, "it.pth", bytes, size);
    enum status status = pth_open(path, file, err);
    folder_remove(&folder);
    return status;
}

/* An archive of this pickle and six numbers as storage 0. */
static enum status open_pickle(const struct bytes *pickle, struct pth **file, struct error *err) {
    struct bytes archive = {.size = 0};
    const struct record records[] = {{"net/data.pkl", pickle->data, pickle->size, .method = 0},
                                     {"net/byteorder", "little", 6, .method = 0},
                                     {"net/data/0", SIX, sizeof(SIX), .method = 0}};
    put_zip(&archive, records, 3);
    return open_bytes(archive.data, archive.size, file, err);
}

static void refuses(const char *told, enum status status, const struct error *err) {
    assert_int_equal(status, STATUS_INTERNAL);
    if (!strstr(err->detail, told) || !strstr(err->detail, "/it.pth: "))
        fail_msg("\"%s\" does not tell \"%s\"", err->detail, told);
}

static void refuses_pickle(const char *told, const struct bytes *pickle) {
    struct pth *file;
    struct error err;
    refuses(told, open_pickle(pickle, &file, &err), &err);
}

static void refuses_tensor(const char *told, struct pickled tensor) {
    struct bytes pickle = {.size = 0};
    put_pickle(&pickle, &tensor, 1);
    refuses_pickle(told, &pickle);
}

static void reads_what_torch_saved(void **state) {
    (void)state;
    struct pth *file;
    struct error err;
    if (pth_open(GOLDEN, &file, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    size_t count;
    const struct safetensors_tensor *tensors = pth_tensors(file, &count);
    assert_int_equal(count, 34);
    assert_string_equal(tensors[0].name, "model.reg_token");
    assert_int_equal(tensors[0].rank, 3);
    assert_true(tensors[0].shape[0] == 1 && tensors[0].shape[1] == 4 && tensors[0].shape[2] == 32);
    assert_string_equal(tensors[33].name, "model.fc_norm.bias");
    pth_close(file);
}

static void reads_a_storage_from_its_offset_whatever_device_it_was_on(void **state) {
    (void)state;
    struct pickled tensor = SOUND;
    tensor.offset = 2;
    tensor.rows = 2;
    tensor.columns = tensor.row_stride = 2;
    struct bytes pickle = {.size = 0};
    put_pickle(&pickle, &tensor, 1);
    struct pth *file;
    struct error err;
    if (open_pickle(&pickle, &file, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    size_t count;
    const struct safetensors_tensor *read = pth_tensors(file, &count);
    assert_int_equal(count, 1);
    assert_string_equal(read->name, "a.weight");
    assert_memory_equal(read->data, SIX + 2, 4 * sizeof(float));
    pth_close(file);
}

static void a_pickle_that_names_a_system_call_runs_nothing_and_is_refused(void **state) {
    (void)state;
    struct folder folder = folder_create();
    char marker[128], command[160];
    snprintf(marker, sizeof(marker), "%s/it-ran", folder.path);
    snprintf(command, sizeof(command), "touch %s", marker);
    struct bytes pickle = {.size = 0};
    put_text(&pickle, "\x80\x02"
                      "cposix\nsystem\n");
    put_unicode(&pickle, command);
    put_text(&pickle, "\x85R.");
    refuses_pickle("it names posix.system", &pickle);
    assert_int_equal(access(marker, F_OK), -1);
    folder_remove(&folder);
}

static void names_whatever_else_a_pickle_asks_for(void **state) {
    (void)state;
    static const char *const others[] = {"builtins\neval\n", "os\nsystem\n", "torch\nHalfStorage\n",
                                         "torch._utils\n_rebuild_sparse_tensor\n",
                                         "collections\nOrderedDictX\n"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct bytes pickle = {.size = 0};
        char told[64] = "it names ";
        put_text(&pickle, "\x80\x02"
                          "c");
        put_text(&pickle, others[i]);
        put_text(&pickle, ")R.");
        strncat(told, others[i], strcspn(others[i], "\n"));
        refuses_pickle(told, &pickle);
    }
    struct pickled half = SOUND;
    half.storage_class = "torch\nHalfStorage\n";
    refuses_tensor("torch.HalfStorage", half);
}

static void refuses_opcodes_that_no_state_dict_needs(void **state) {
    (void)state;
    /* INST, OBJ, NEWOBJ, EXT1, STACK_GLOBAL, GLOBAL by text, LIST, BINSTRING, PERSID, FRAME, DUP */
    static const char others[] = "io\x81\x82\x93g]TP\x95"
                                 "2";
    for (size_t i = 0; i < sizeof(others) - 1; i++) {
        struct bytes pickle = {.size = 0};
        put_text(&pickle, "\x80\x02)");
        put_bytes(&pickle, &others[i], 1);
        put_text(&pickle, "posix\nsystem\n.");
        refuses_pickle("which no state dict needs", &pickle);
    }
}

static void refuses_a_machine_that_runs_dry(void **state) {
    (void)state;
    static const struct {
        const char *program, *told;
    } programs[] = {
        {"", "ends within an opcode"},
        {"\x80\x03.", "protocol 3"},
        {".", "no state dict"},
        {"}", "ends within an opcode"},
        {"R.", "stack is too short"},
        {"\x87.", "stack is too short"},
        {"t.", "no mark"},
        {"u.", "no mark"},
        {"}s.", "stack is too short"},
        {"}(Nu.", "do not pair up"},
        {"(NNu.", "do not pair up"},
        {"N(NNu.", "a dictionary"},
        {"h\x07.", "never filled"},
        {"}q\x01.", "leaves places"},
        {"(q\x01.", "leaves places"},
        {"q\x01.", "stack is too short"},
        {"}}b", "ends within"},
        {"N}b.", "a dictionary"},
        {"NQ.", "tuple"},
        {")Q.", "of 0 parts"},
        {")NR.", "tuple"},
        {"N)R.", "a global"},
        {"}.", "0 tensors"},
        {"}NNs.", "a tensor"},
        {"X\xff\xff\xff\xffz.", "ends within an opcode"},
        {"\x8a\x09.", "integer of 9"},
        {"ctorch\nFloatStorage\n)R.", "called"},
        {"ctorch._utils\n_rebuild_tensor_v2\n)R.", "0 arguments"},
        {"ctorch._utils\n_rebuild_parameter\n)R.", "0 arguments"},
        {"ccollections\nOrderedDict\nN\x85R.", "filled"},
        {"ctorch._utils\n_rebuild_parameter\nN\x89}\x87R.", "a tensor"},
    };
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        struct bytes pickle = {.size = 0};
        put_text(&pickle, programs[i].program);
        refuses_pickle(programs[i].told, &pickle);
    }
}

static void refuses_tensors_that_do_not_fit(void **state) {
    (void)state;
    struct pickled tensor;
    tensor = SOUND, tensor.storage_count = 7, refuses_tensor("another size", tensor);
    tensor = SOUND, tensor.storage_count = -1, refuses_tensor("a size of -1", tensor);
    tensor = SOUND, tensor.storage_count = INT64_MAX, refuses_tensor("a size of", tensor);
    tensor = SOUND, tensor.storage_count = 0, refuses_tensor("does not fit", tensor);
    tensor = SOUND, tensor.storage = "1", refuses_tensor("no record", tensor);
    tensor = SOUND, tensor.storage = "../0", refuses_tensor("not allowed", tensor);
    tensor = SOUND, tensor.offset = 1, refuses_tensor("does not fit", tensor);
    tensor = SOUND, tensor.offset = -1, refuses_tensor("a size of -1", tensor);
    tensor = SOUND, tensor.rows = 3, refuses_tensor("does not fit", tensor);
    tensor = SOUND, tensor.rows = 0, refuses_tensor("does not fit", tensor);
    tensor = SOUND, tensor.rows = 1ll << 39, refuses_tensor("does not fit", tensor);
    tensor = SOUND, tensor.row_stride = 1, refuses_tensor("not row-major", tensor);
    tensor = SOUND, tensor.key = "a b", refuses_tensor("not allowed", tensor);
    tensor = SOUND, tensor.key = "", refuses_tensor("a name of 0 bytes", tensor);
    const struct pickled twice[] = {SOUND, SOUND};
    struct bytes pickle = {.size = 0};
    put_pickle(&pickle, twice, 2);
    refuses_pickle("twice", &pickle);
}

/* It has one number whatever its shape says: there is no dimension that could be too long. */
static void refuses_a_tensor_without_dimensions_in_an_empty_storage(void **state) {
    (void)state;
    struct bytes pickle = {.size = 0}, archive = {.size = 0};
    put_text(&pickle, "\x80\x02}");
    put_unicode(&pickle, "a.weight");
    put_text(&pickle, "ctorch._utils\n_rebuild_tensor_v2\n((");
    put_unicode(&pickle, "storage");
    put_text(&pickle, "ctorch\nFloatStorage\n");
    put_unicode(&pickle, "0");
    put_unicode(&pickle, "cpu");
    put_integer(&pickle, 0);
    put_text(&pickle, "tQ");
    put_integer(&pickle, 0);
    put_text(&pickle, "))\x89}tRs.");
    const struct record records[] = {{"net/data.pkl", pickle.data, pickle.size, .method = 0},
                                     {"net/data/0", "", 0, .method = 0}};
    put_zip(&archive, records, 2);
    struct pth *file;
    struct error err;
    refuses("does not fit its storage", open_bytes(archive.data, archive.size, &file, &err), &err);
}

static void many_tensors_of_one_storage_are_not_unfolded(void **state) {
    (void)state;
    struct pickled many[12];
    char keys[12][2];
    for (size_t i = 0; i < 12; i++) {
        snprintf(keys[i], sizeof(keys[i]), "%c", (char)('a' + i));
        many[i] = SOUND;
        many[i].key = keys[i];
        many[i].storage_count = many[i].columns = many[i].row_stride = 1024;
        many[i].rows = 1;
    }
    static const float storage[1024];
    struct bytes pickle = {.size = 0}, archive = {.size = 0};
    put_pickle(&pickle, many, 12);
    const struct record records[] = {{"net/data.pkl", pickle.data, pickle.size, .method = 0},
                                     {"net/data/0", storage, sizeof(storage), .method = 0}};
    put_zip(&archive, records, 2);
    struct pth *file;
    struct error err;
    refuses("larger than itself", open_bytes(archive.data, archive.size, &file, &err), &err);
}

/* What torch.save writes of an archive of more than 4 GiB. */
static void reads_numbers_of_64_bits(void **state) {
    (void)state;
    struct pickled tensor = SOUND;
    struct bytes pickle = {.size = 0}, archive = {.size = 0};
    put_pickle(&pickle, &tensor, 1);
    const struct record records[] = {{"net/data.pkl", pickle.data, pickle.size, .wide = 24},
                                     {"net/data/0", SIX, sizeof(SIX), .wide = 24}};
    put_zip(&archive, records, 2);
    struct pth *file;
    struct error err;
    if (open_bytes(archive.data, archive.size, &file, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    size_t count;
    const struct safetensors_tensor *read = pth_tensors(file, &count);
    assert_int_equal(count, 1);
    assert_memory_equal(read->data, SIX, sizeof SIX);
    pth_close(file);
}

static void refuses_archives_that_torch_does_not_write(void **state) {
    (void)state;
    struct pickled tensor = SOUND;
    struct bytes pickle = {.size = 0};
    put_pickle(&pickle, &tensor, 1);
    const struct record sound[] = {{"net/data.pkl", pickle.data, pickle.size, .method = 0},
                                   {"net/byteorder", "little", 6, .method = 0},
                                   {"net/data/0", SIX, sizeof(SIX), .method = 0},
                                   {"net/version", "3\n", 2, .method = 0}};
    static const struct {
        size_t changed;
        struct record to;
        const char *told;
    } changes[] = {
        {0, {"net/data.txt", "", 0, .method = 0}, "data.pkl"},
        {1, {"net/byteorder", "big", 3, .method = 0}, "byte order is big"},
        {2, {"net/data/0", SIX, sizeof(SIX), .method = 8}, "compressed"},
        {2, {"net/data/0", SIX, sizeof(SIX) - 1, .method = 0}, "another size"},
        {2, {"other/data/0", SIX, sizeof(SIX), .method = 0}, "no record"},
        {3, {"net/data/0", SIX, sizeof(SIX), .method = 0}, "same name"},
        {3, {"net/version", "3\n", 2, .wide = 16}, "contradict"},
        {3, {"net/version", "3\n", 2, .wide = 25}, "contradict"},
        {3, {"other/data.pkl", "", 0, .method = 0}, "two records"},
    };
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct record records[4];
        struct bytes archive = {.size = 0};
        struct pth *file;
        struct error err;
        memcpy(records, sound, sizeof(sound));
        records[changes[i].changed] = changes[i].to;
        put_zip(&archive, records, 4);
        refuses(changes[i].told, open_bytes(archive.data, archive.size, &file, &err), &err);
    }
}

static void refuses_every_truncation_and_survives_every_flip(void **state) {
    (void)state;
    struct pickled tensor = SOUND;
    struct bytes pickle = {.size = 0}, archive = {.size = 0};
    put_pickle(&pickle, &tensor, 1);
    const struct record records[] = {{"n/data.pkl", pickle.data, pickle.size, .method = 0},
                                     {"n/data/0", SIX, sizeof(SIX), .method = 0}};
    put_zip(&archive, records, 2);
    struct pth *file;
    struct error err;
    assert_int_equal(open_bytes(archive.data, archive.size, &file, &err), STATUS_OK);
    pth_close(file);
    for (size_t size = 0; size < archive.size; size++)
        assert_int_equal(open_bytes(archive.data, size, &file, &err), STATUS_INTERNAL);
    for (size_t i = 0; i < archive.size; i++)
        for (int bit = 0; bit < 8; bit++) {
            archive.data[i] ^= (uint8_t)(1 << bit);
            if (open_bytes(archive.data, archive.size, &file, &err) == STATUS_OK)
                pth_close(file);
            archive.data[i] ^= (uint8_t)(1 << bit);
        }
}

static void names_the_file_that_is_not_there(void **state) {
    (void)state;
    struct pth *file;
    struct error err;
    assert_int_equal(pth_open("/nowhere/it.pth", &file, &err), STATUS_INTERNAL);
    assert_string_equal(err.detail, "/nowhere/it.pth: No such file or directory");
    refuses("not a ZIP archive", open_bytes("\x80\x02}.", 4, &file, &err), &err);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_torch_saved),
        cmocka_unit_test(reads_a_storage_from_its_offset_whatever_device_it_was_on),
        cmocka_unit_test(a_pickle_that_names_a_system_call_runs_nothing_and_is_refused),
        cmocka_unit_test(names_whatever_else_a_pickle_asks_for),
        cmocka_unit_test(refuses_opcodes_that_no_state_dict_needs),
        cmocka_unit_test(refuses_a_machine_that_runs_dry),
        cmocka_unit_test(refuses_tensors_that_do_not_fit),
        cmocka_unit_test(refuses_a_tensor_without_dimensions_in_an_empty_storage),
        cmocka_unit_test(many_tensors_of_one_storage_are_not_unfolded),
        cmocka_unit_test(reads_numbers_of_64_bits),
        cmocka_unit_test(refuses_archives_that_torch_does_not_write),
        cmocka_unit_test(refuses_every_truncation_and_survives_every_flip),
        cmocka_unit_test(names_the_file_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
