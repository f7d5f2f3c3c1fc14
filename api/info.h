/* GET /v1/info: what this instance is and where its limits are. */
#ifndef FACEPAIR_API_INFO_H
#define FACEPAIR_API_INFO_H

#include "server/http/request.h"

void info_show(struct http_request *request);

#endif
