/* The one catch-all of the C functions over libtorch: what is thrown becomes a status, and its
 * message the error's. */
#ifndef FACEPAIR_MODEL_NETWORK_TORCH_GUARD_H
#define FACEPAIR_MODEL_NETWORK_TORCH_GUARD_H

#include "server/status.h"

#include <c10/util/Exception.h>
#include <exception>

/* What body() returns; STATUS_INTERNAL with "SUBJECT: message" when it throws. */
template <typename function>
enum status guarded(const char *subject, struct error *err, function &&body) noexcept try {
    return body();
} catch (const c10::Error &cause) {
    return error_set(err, STATUS_INTERNAL, "%.100s: %s", subject, cause.what_without_backtrace());
} catch (const std::exception &cause) {
    return error_set(err, STATUS_INTERNAL, "%.100s: %s", subject, cause.what());
} catch (...) {
    return error_set(err, STATUS_INTERNAL, "%.100s: unknown failure", subject);
}

#endif
