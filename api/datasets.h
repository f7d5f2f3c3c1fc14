/* Data sets: uploaded as a stream, listed, shown, removed. */
#ifndef FACEPAIR_API_DATASETS_H
#define FACEPAIR_API_DATASETS_H

#include "api/service.h"
#include "server/http/request.h"

extern const char *const DATASETS_QUERY_UPLOAD[]; /* purpose, retain_until */
extern const char *const DATASETS_TYPES[];        /* Content-Type of an upload */

/* PUT /admin/v1/datasets/NAME */
enum status datasets_admit_upload(struct http_request *request, struct error *err);
size_t datasets_take_upload(struct http_request *request, const uint8_t *bytes, size_t size);
void datasets_finish_upload(struct http_request *request);

void datasets_list(struct http_request *request);
void datasets_show(struct http_request *request);
void datasets_delete(struct http_request *request);
void datasets_delete_person(struct http_request *request);

/* Uploads under way are answered `draining`. */
void datasets_drain(struct service *service);

#endif
