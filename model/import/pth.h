/* The float32 tensors of a PyTorch state dict as torch.save writes it (.pth, .pt): a ZIP archive
 * with a pickle that says what the tensors are and one record for each storage.
 *
 * Nothing of the pickle is run (pickle.h). The tensors together are never larger than the file.
 */
#ifndef FACEPAIR_MODEL_IMPORT_PTH_H
#define FACEPAIR_MODEL_IMPORT_PTH_H

#include "model/safetensors.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pth;

/* STATUS_INTERNAL with the file's name and what is wrong with it. */
enum status pth_open(const char *path, struct pth **file, struct error *err);
void pth_close(struct pth *file); /* NULL is allowed */

/* In the state dict's order; borrowed until pth_close. */
const struct safetensors_tensor *pth_tensors(const struct pth *file, size_t *count);

#ifdef __cplusplus
}
#endif
#endif
