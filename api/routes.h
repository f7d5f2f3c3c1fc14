#ifndef FACEPAIR_API_ROUTES_H
#define FACEPAIR_API_ROUTES_H

#include "api/service.h"

/* Fills service->table: every endpoint, with this instance's limits. */
void routes_build(struct service *service);

#endif
