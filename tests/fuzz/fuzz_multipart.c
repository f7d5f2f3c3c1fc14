/* The multipart reader under any body, cut into pieces at any places: the first byte of the input
 * says how large the pieces are. The parts must be the same as when the body comes whole.
 *
 *     build-fuzz/tests/fuzz/fuzz_multipart -max_total_time=60 -dict=tests/fuzz/multipart.dict
 */
#include "server/http/multipart.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const files[] = {"a", NULL};
static const struct http_body_limits limits = {.kinds = HTTP_BODY_MULTIPART,
                                               .multipart_bytes_max = 1 << 20,
                                               .file_bytes_max = 200,
                                               .field_bytes_max = 20,
                                               .parts_max = 4,
                                               .files = files};

static enum status read_in_steps(struct multipart *multipart, const uint8_t *body, size_t size,
                                 size_t step) {
    struct error err;
    enum status status = STATUS_OK;
    for (size_t at = 0; at < size && status == STATUS_OK; at += step)
        status = multipart_feed(multipart, body + at, size - at < step ? size - at : step, &err);
    return status == STATUS_OK ? multipart_finish(multipart, &err) : status;
}

static void require(int condition) {
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2)
        return 0;
    struct multipart *whole = multipart_create("B", &limits, size - 1, NULL);
    struct multipart *cut = multipart_create("B", &limits, 0, NULL);
    require(whole && cut);
    enum status expected = read_in_steps(whole, data + 1, size - 1, size - 1);
    enum status status = read_in_steps(cut, data + 1, size - 1, 1 + data[0] % 32);
    require(status == expected);
    if (status == STATUS_OK) {
        const struct http_part *a, *b;
        size_t count = multipart_parts(whole, &a);
        require(multipart_parts(cut, &b) == count);
        for (size_t i = 0; i < count; i++) {
            require(strcmp(a[i].name, b[i].name) == 0 && a[i].size == b[i].size);
            require(memcmp(a[i].data, b[i].data, a[i].size) == 0);
        }
    }
    multipart_destroy(whole);
    multipart_destroy(cut);
    return 0;
}
