/* libarchive takes tar and its compression apart; what becomes of a member is decided here, before
 * any of its bytes is asked for. Durability: one syncfs() at the end instead of an fsync() for each
 * of a hundred thousand small files. The photographs are none of the folder's readers' before the
 * caller renames it. */
#include "model/dataset_archive.h"

#include "model/dataset_manifest.h"
#include "model/file.h"
#include "server/write_all.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RATIO_SLACK_BYTES = 32 << 20 };

struct extraction {
    const struct archive_source *source;
    const struct archive_limits *limits;
    struct archive_content *content;
    struct error *err;
    struct archive *archive;
    struct dataset_manifest manifest;
    struct digest *digest;
    uint64_t members;
    bool top_known;
    char top[DATASET_PERSON_SIZE];
    int folder_fd;
    int person_fd; /* of the folder in hand; −1: none */
    char person[DATASET_PERSON_SIZE];
};

/* ---- refusals ---- */

/* A member's name as a client may read it: what is no text, or too long, is cut. */
static const char *printable(const char *name, char text[72]) {
    size_t size = 0;
    for (; name[size] && size < 71; size++)
        text[size] = (unsigned char)name[size] < 0x20 || (unsigned char)name[size] >= 0x7f
                         ? '?'
                         : name[size];
    text[size] = '\0';
    return text;
}

static enum status refuse(struct extraction *x, const char *name, const char *why) {
    char text[72];
    return error_set(x->err, STATUS_INVALID_FIELD, "The member \"%s\" is refused: %s.",
                     printable(name, text), why);
}

static enum status not_written(struct extraction *x, const char *what) {
    return error_set(x->err, file_cause(errno), "%s: %s", what, strerror(errno));
}

/* libarchive has met something that it cannot read. EILSEQ is its word for a format that is none
 * of those it was asked to know. */
static enum status broken(struct extraction *x) {
    if (archive_errno(x->archive) == ENOMEM)
        return error_set(x->err, STATUS_INTERNAL, "out of memory for an archive");
    if (x->members == 0 && archive_errno(x->archive) == EILSEQ)
        return error_set(x->err, STATUS_UNSUPPORTED_MEDIA_TYPE,
                         "This is no tar archive, plain or compressed by gzip or zstd.");
    const char *why = archive_error_string(x->archive);
    return error_set(x->err, STATUS_INVALID_FIELD,
                     "The archive is broken after %" PRIu64 " members: %.100s.", x->members,
                     why ? why : "it cannot be read");
}

/* ---- limits ---- */

static enum status too_large(struct extraction *x, const char *what, uint64_t most) {
    return error_set(x->err, STATUS_BODY_TOO_LARGE, "The archive may have %" PRIu64 " %s.", most,
                     what);
}

static enum status check_ratio(struct extraction *x) {
    int64_t unpacked = archive_filter_bytes(x->archive, 0);
    int64_t sent = archive_filter_bytes(x->archive, -1);
    if (unpacked - RATIO_SLACK_BYTES <= sent * (int64_t)x->limits->ratio_max)
        return STATUS_OK;
    return error_set(x->err, STATUS_BODY_TOO_LARGE,
                     "The archive unpacks to more than %u times what was sent.",
                     x->limits->ratio_max);
}

static enum status check_member(struct extraction *x) {
    x->members++;
    if (x->members > x->limits->members_max)
        return too_large(x, "members", x->limits->members_max);
    return check_ratio(x);
}

static enum status check_size(struct extraction *x, const struct dataset_path *path,
                              uint64_t size) {
    uint64_t most =
        path->kind == DATASET_IMAGE ? x->limits->image_bytes_max : x->limits->list_bytes_max;
    if (size > most)
        return error_set(x->err, STATUS_BODY_TOO_LARGE, "%.71s may have %" PRIu64 " bytes.",
                         path->file, most);
    if (size > x->limits->bytes_max - x->content->bytes)
        return too_large(x, "bytes of files", x->limits->bytes_max);
    return STATUS_OK;
}

/* ---- one file ---- */

/* The folder of this person, made where it is not the one in hand. */
static enum status enter_person(struct extraction *x, const char *person) {
    if (x->person_fd >= 0 && strcmp(x->person, person) == 0)
        return STATUS_OK;
    if (x->person_fd >= 0)
        close(x->person_fd);
    x->person_fd = -1;
    if (mkdirat(x->folder_fd, person, 0700) == 0)
        x->content->people++;
    else if (errno != EEXIST)
        return not_written(x, "a person's folder");
    x->person_fd = openat(x->folder_fd, person, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (x->person_fd < 0)
        return not_written(x, "a person's folder");
    memcpy(x->person, person, strlen(person) + 1);
    return STATUS_OK;
}

/* The same photograph's number in another format. */
static bool has_twin(int fd, const char *file) {
    static const char *const extensions[] = {"jpg", "png", "webp"};
    char other[DATASET_FILE_SIZE + 4];
    int stem = (int)(strrchr(file, '.') - file);
    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++) {
        snprintf(other, sizeof other, "%.*s.%s", stem, file, extensions[i]);
        if (strcmp(other, file) != 0 && faccessat(fd, other, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            return true;
    }
    return false;
}

static enum status copy_bytes(struct extraction *x, const char *name, int fd, uint64_t size) {
    const void *bytes;
    size_t length;
    la_int64_t offset;
    uint64_t have = 0;
    int result;
    digest_begin(x->digest);
    while ((result = archive_read_data_block(x->archive, &bytes, &length, &offset)) == ARCHIVE_OK) {
        if (offset < 0 || (uint64_t)offset != have || length > size - have)
            return refuse(x, name, "its bytes are not in one piece");
        if (!write_all(fd, bytes, length))
            return not_written(x, "a file of a data set");
        digest_add(x->digest, bytes, length);
        have += length;
        enum status status = check_ratio(x);
        if (status != STATUS_OK)
            return status;
    }
    if (result != ARCHIVE_EOF || have != size)
        return broken(x);
    return STATUS_OK;
}

static enum status note_file(struct extraction *x, const struct dataset_path *path, uint64_t size) {
    char sha256[DIGEST_TEXT_SIZE], name[DATASET_NAME_SIZE + 1];
    digest_end(x->digest, sha256);
    snprintf(name, sizeof name, "%s%s%s", path->person, path->person[0] ? "/" : "", path->file);
    x->content->files++;
    x->content->images += path->kind == DATASET_IMAGE;
    x->content->bytes += size;
    return dataset_manifest_add(&x->manifest, name, sha256, x->err);
}

static enum status write_file(struct extraction *x, const char *name,
                              const struct dataset_path *path, uint64_t size) {
    enum status status = check_size(x, path, size);
    if (status == STATUS_OK && path->kind == DATASET_IMAGE)
        status = enter_person(x, path->person);
    if (status != STATUS_OK)
        return status;
    int folder = path->kind == DATASET_IMAGE ? x->person_fd : x->folder_fd;
    if (path->kind == DATASET_IMAGE && has_twin(folder, path->file))
        return refuse(x, name, "its number is there twice");
    int fd = openat(folder, path->file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return refuse(x, name, "its name is there twice");
    if (fd < 0)
        return not_written(x, "a file of a data set");
    status = copy_bytes(x, name, fd, size);
    if (close(fd) != 0 && status == STATUS_OK)
        status = not_written(x, "a file of a data set");
    return status == STATUS_OK ? note_file(x, path, size) : status;
}

/* ---- members ---- */

static const char *name_of(struct archive_entry *entry) {
    const char *name = archive_entry_pathname_utf8(entry);
    if (!name) /* bytes of an unknown alphabet */
        name = archive_entry_pathname(entry);
    return name ? name : "";
}

/* libarchive knows folders with a body, and to pass over it would decompress it all at once. */
static enum status check_no_body(struct extraction *x, struct archive_entry *entry,
                                 const char *name) {
    const void *bytes;
    size_t length;
    la_int64_t offset;
    if (archive_entry_size(entry) > 0 ||
        archive_read_data_block(x->archive, &bytes, &length, &offset) != ARCHIVE_EOF)
        return refuse(x, name, "a folder has no bytes of its own");
    return STATUS_OK;
}

static enum status check_kind(struct extraction *x, struct archive_entry *entry, const char *name) {
    if (archive_entry_hardlink(entry) || archive_entry_symlink(entry) ||
        archive_entry_filetype(entry) == AE_IFLNK)
        return refuse(x, name, "links are not taken");
    if (archive_entry_filetype(entry) == AE_IFDIR)
        return STATUS_OK;
    if (archive_entry_filetype(entry) != AE_IFREG)
        return refuse(x, name, "only files and folders are taken");
    if (archive_entry_sparse_count(entry) > 0)
        return refuse(x, name, "sparse files are not taken");
    if (!archive_entry_size_is_set(entry) || archive_entry_size(entry) < 0)
        return refuse(x, name, "its size is not told");
    return STATUS_OK;
}

/* One folder may stand above all others, but then above each. */
static enum status check_top(struct extraction *x, const struct dataset_path *path,
                             const char *name) {
    if (!path->top_known)
        return STATUS_OK;
    if (x->top_known && strcmp(x->top, path->top) != 0)
        return refuse(x, name, "it is not in the same folder as the members before it");
    x->top_known = true;
    memcpy(x->top, path->top, sizeof x->top);
    return STATUS_OK;
}

static enum status take_member(struct extraction *x, struct archive_entry *entry) {
    const char *name = name_of(entry);
    struct dataset_path path;
    struct error why;
    enum status status = check_member(x);
    if (status == STATUS_OK)
        status = check_kind(x, entry, name);
    if (status != STATUS_OK)
        return status;
    bool folder = archive_entry_filetype(entry) == AE_IFDIR;
    if (dataset_path_parse(name, folder, &path, &why) != STATUS_OK)
        return refuse(x, name, why.detail);
    status = check_top(x, &path, name);
    if (status != STATUS_OK)
        return status;
    if (folder)
        return check_no_body(x, entry, name);
    return write_file(x, name, &path, (uint64_t)archive_entry_size(entry));
}

static enum status take_members(struct extraction *x) {
    struct archive_entry *entry;
    enum status status = STATUS_OK;
    int result;
    while ((result = archive_read_next_header(x->archive, &entry)) == ARCHIVE_OK ||
           result == ARCHIVE_WARN) { /* a name of another alphabet */
        status = take_member(x, entry);
        if (status != STATUS_OK)
            return status;
    }
    if (result != ARCHIVE_EOF)
        return broken(x);
    if (x->content->files == 0)
        return error_set(x->err, STATUS_INVALID_FIELD, "The archive has no files.");
    return STATUS_OK;
}

/* ---- the whole ---- */

static la_ssize_t read_source(struct archive *archive, void *context, const void **bytes) {
    struct extraction *x = context;
    ssize_t size = x->source->read(x->source->context, bytes);
    if (size >= 0)
        return size;
    archive_set_error(archive, EPIPE, "the sender has gone");
    return ARCHIVE_FATAL;
}

static enum status open_archive(struct extraction *x) {
    x->archive = archive_read_new();
    x->digest = digest_create();
    if (!x->archive || !x->digest)
        return error_set(x->err, STATUS_INTERNAL, "out of memory for an archive");
    /* ARCHIVE_WARN would mean another program that decompresses: none is started here. */
    if (archive_read_support_filter_gzip(x->archive) != ARCHIVE_OK ||
        archive_read_support_filter_zstd(x->archive) != ARCHIVE_OK ||
        archive_read_support_format_tar(x->archive) != ARCHIVE_OK)
        return error_set(x->err, STATUS_INTERNAL, "libarchive knows no tar, gzip or zstd");
    if (archive_read_open(x->archive, x, NULL, read_source, NULL) != ARCHIVE_OK)
        return broken(x);
    return STATUS_OK;
}

static enum status settle(struct extraction *x, const char *folder) {
    enum status status = dataset_manifest_write(&x->manifest, folder, x->content->sha256, x->err);
    if (status == STATUS_OK && syncfs(x->folder_fd) != 0)
        status = not_written(x, "the files of a data set");
    return status;
}

static void release(struct extraction *x) {
    if (x->person_fd >= 0)
        close(x->person_fd);
    if (x->folder_fd >= 0)
        close(x->folder_fd);
    dataset_manifest_release(&x->manifest);
    digest_destroy(x->digest);
    if (x->archive)
        archive_read_free(x->archive);
}

enum status dataset_archive_extract(const struct archive_source *source, const char *folder,
                                    const struct archive_limits *limits,
                                    struct archive_content *content, struct error *err) {
    *content = (struct archive_content){0};
    struct extraction x = {.source = source,
                           .limits = limits,
                           .content = content,
                           .err = err,
                           .person_fd = -1,
                           .folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    enum status status =
        x.folder_fd >= 0 ? open_archive(&x) : not_written(&x, "the folder of a data set");
    if (status == STATUS_OK)
        status = take_members(&x);
    if (status == STATUS_OK)
        status = settle(&x, folder);
    release(&x);
    return status;
}
