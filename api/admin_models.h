/* GET /admin/v1/models, PUT /admin/v1/models/NAME/active, DELETE /admin/v1/models/NAME@VERSION. */
#ifndef FACEPAIR_API_ADMIN_MODELS_H
#define FACEPAIR_API_ADMIN_MODELS_H

#include "server/http/request.h"

/* http_endpoint's hooks. */
enum status admin_models_admit(struct http_request *request, struct error *err);
void admin_models_list(struct http_request *request);
void admin_models_promote(struct http_request *request);
void admin_models_delete(struct http_request *request);
void admin_models_release(struct http_request *request);

#endif
