/* Text files from outside: LFW's pairs and people, a split by person, groups, the manifest of
 * a data set, an audit record; the first byte says which. */
#include "model/dataset.h"
#include "model/dataset_manifest.h"
#include "model/people.h"
#include "server/journal.h"
#include "tests/fuzz/file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void read_pairs(const char *path) {
    struct dataset_pairs pairs;
    struct error err = {""};
    if (dataset_pairs_read(path, &pairs, &err) != STATUS_OK) {
        assert(err.detail[0]);
        return;
    }
    assert(pairs.folds > 0 && pairs.pairs_count % pairs.folds == 0);
    for (size_t i = 0; i < pairs.pairs_count; i++)
        assert(pairs.pairs[i].a < pairs.images_count && pairs.pairs[i].b < pairs.images_count);
    for (uint32_t i = 0; i < pairs.images_count; i++)
        assert(!strchr("./", pairs.images[i][0]) && !strstr(pairs.images[i], "/."));
    dataset_pairs_release(&pairs);
}

static void read_people(const char *path) {
    struct people people;
    struct error err = {""};
    if (people_read(path, &people, &err) != STATUS_OK) {
        assert(err.detail[0]);
        return;
    }
    for (uint32_t i = 0; i < people.count; i++)
        assert(person_name_valid(people.list[i].name) && people.list[i].images > 0);
    people_release(&people);
}

/* Two people, whom the file may put somewhere. */
static void read_about_people(const char *path, bool split) {
    static const uint8_t names[] = "2\nAnn\t2\nBob\t1\n";
    struct fuzz_file file;
    struct people people;
    struct error err = {""};
    fuzz_file_open(&file, names, sizeof names - 1);
    enum status status = people_read(file.path, &people, &err);
    assert(status == STATUS_OK);
    if (split)
        status = people_keep_part(&people, path, "part", &err);
    else
        status = people_group(&people, path, &err);
    assert(status == STATUS_OK || err.detail[0]);
    assert(people.count <= 2 && people.groups_count <= PEOPLE_GROUPS_MAX);
    people_release(&people);
    fuzz_file_close(&file);
}

static void read_split(const char *path) { read_about_people(path, true); }

static void read_groups(const char *path) { read_about_people(path, false); }

static void read_manifest(const char *path) {
    char folder[] = "/dev/shm/fuzz-manifest-XXXXXX", name[64];
    char *made = mkdtemp(folder);
    assert(made);
    snprintf(name, sizeof name, "%s/%s", folder, DATASET_MANIFEST);
    int linked = symlink(path, name);
    assert(linked == 0);
    struct dataset_manifest manifest;
    struct error err = {""};
    enum status status = dataset_manifest_read(folder, &manifest, &err);
    if (status == STATUS_OK) {
        for (size_t i = 0; i < manifest.count; i++) {
            struct dataset_path path_of;
            assert(strlen(manifest.lines[i].sha256) == DIGEST_TEXT_SIZE - 1);
            status = dataset_path_parse(manifest.lines[i].name, false, &path_of, &err);
            assert(status == STATUS_OK && !path_of.top[0]);
        }
        dataset_manifest_release(&manifest);
    } else {
        assert(err.detail[0]);
    }
    unlink(name);
    rmdir(folder);
}

static void read_journal(const char *path) {
    struct journal_chain chain;
    struct error err = {""};
    enum status status = journal_check(&path, 1, &chain, &err);
    assert(status == STATUS_OK || err.detail[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static void (*const readers[])(const char *path) = {read_pairs,  read_people,   read_split,
                                                        read_groups, read_manifest, read_journal};
    if (size == 0)
        return 0;
    struct fuzz_file file;
    fuzz_file_open(&file, bytes + 1, size - 1);
    readers[bytes[0] % (sizeof readers / sizeof readers[0])](file.path);
    fuzz_file_close(&file);
    return 0;
}
