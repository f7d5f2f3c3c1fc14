/* The body of an upload on its way from the loop to a folder: a bounded buffer, and a thread of its
 * own that unpacks what comes (model/dataset_archive.h). At most UPLOADS_MAX at a time.
 *
 *     upload_begin   loop    a thread is asked for, the buffer is there
 *     upload_write   loop    as much as there is room for; room() tells when there is some again
 *     upload_end     loop    the body is complete
 *     done()         loop    it is unpacked, or refused, which may come before the end
 *     upload_close   loop    the owner needs it no more
 */
#ifndef FACEPAIR_API_UPLOAD_H
#define FACEPAIR_API_UPLOAD_H

#include "api/service.h"
#include "model/dataset_archive.h"
#include "model/dataset_folder.h"

enum { UPLOADS_MAX = 2, UPLOAD_BUFFER_BYTES = 1 << 20 };

struct upload;

struct upload_owner {
    void (*room)(void *context); /* both on the loop, never from within a call below */
    void (*done)(void *context);
    void *context;
};

struct upload_outcome {
    enum status status; /* other than STATUS_OK: nothing is left on the disk */
    struct error err;
    struct dataset_folder folder; /* with STATUS_OK; the owner publishes or abandons it */
    struct archive_content content;
};

enum status upload_start(struct service *service, struct error *err); /* the threads */

/* STATUS_OVERLOADED: as many as there may be are under way. STATUS_INTERNAL: out of memory. */
enum status upload_begin(struct service *service, const struct upload_owner *owner,
                         struct upload **upload, struct error *err);
/* How many bytes are taken; all of them once done() was called. */
size_t upload_write(struct upload *upload, const uint8_t *bytes, size_t size);
void upload_end(struct upload *upload);
/* After done(); the owner may change it. */
struct upload_outcome *upload_outcome(struct upload *upload);
/* Before done() it is broken off, and neither of the owner's functions is called any more. */
void upload_close(struct upload *upload);

#endif
