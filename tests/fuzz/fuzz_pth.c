/* libFuzzer target of model/import/pth.h: any bytes, no crash, and every tensor of an accepted file
 * can be read. Bytes that begin as a pickle does go to its reader alone, so that a run need not
 * find its way through the archive first. Seeds: tests/parity/vit/notebook/weights.pth. */
#include "model/import/pickle.h"
#include "model/import/pth.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void read_pickle(const uint8_t *bytes, size_t size) {
    struct pickle_tensor *tensors;
    size_t count;
    struct error err;
    if (pickle_read(bytes, size, &tensors, &count, &err) != STATUS_OK)
        return;
    for (size_t i = 0; i < count; i++) {
        uint64_t product = 1;
        for (uint32_t d = 0; d < tensors[i].rank; d++)
            product *= tensors[i].shape[d];
        assert(product == tensors[i].count);
        assert(tensors[i].offset + tensors[i].count <= tensors[i].storage_count);
    }
    free(tensors);
}

static void read_file(const uint8_t *bytes, size_t size) {
    char path[64];
    int fd = memfd_create("pth", MFD_CLOEXEC);
    assert(fd >= 0);
    assert(write(fd, bytes, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    struct pth *file;
    struct error err;
    if (pth_open(path, &file, &err) == STATUS_OK) {
        size_t count;
        const struct safetensors_tensor *tensors = pth_tensors(file, &count);
        volatile float sum = 0;
        for (size_t i = 0; i < count; i++) {
            uint64_t values = 1;
            for (uint32_t d = 0; d < tensors[i].rank; d++)
                values *= tensors[i].shape[d];
            for (uint64_t k = 0; k < values; k++)
                sum = sum + tensors[i].data[k];
        }
        pth_close(file);
    }
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (size > 0 && bytes[0] == 0x80)
        read_pickle(bytes, size);
    else
        read_file(bytes, size);
    return 0;
}
