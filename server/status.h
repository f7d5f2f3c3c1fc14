/* Every way an operation can end, in one table.
 *
 * A status is the contract between a function that can fail and its caller, and, for those that a
 * client may see, between the service and the world: STATUS_NAME, the HTTP status it is answered
 * with, the stable `code` of the problem document and its title. A code's HTTP status never
 * changes. openapi.yaml lists the same codes; tests hold the two against each other.
 *
 * `struct error` is allocated by the caller (as jansson's json_error_t). A function that returns
 * other than STATUS_OK has filled `detail` with one sentence; a function that returns STATUS_OK has
 * not touched it. The sentence of a status below 500 may be shown to the client, so it tells what
 * to do and never a path, an address or how the service is built.
 */
#ifndef FACEPAIR_SERVER_STATUS_H
#define FACEPAIR_SERVER_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#define STATUS_TABLE(X)                                                                            \
    X(OK, 200, "ok", "OK")                                                                         \
    X(INVALID_JSON, 400, "invalid_json", "The body is not valid JSON")                             \
    X(INVALID_MULTIPART, 400, "invalid_multipart", "The body is not valid multipart/form-data")    \
    X(MISSING_FIELD, 400, "missing_field", "A required field is missing")                          \
    X(INVALID_FIELD, 400, "invalid_field", "A field has an invalid value")                         \
    X(UNKNOWN_FIELD, 400, "unknown_field", "A field is not known")                                 \
    X(DUPLICATE_FIELD, 400, "duplicate_field", "A field is given more than once")                  \
    X(INVALID_NAME, 400, "invalid_name", "A name or version is malformed")                         \
    X(INVALID_HEADER, 400, "invalid_header", "A request header is invalid")                        \
    X(UNSUPPORTED_FMR, 400, "unsupported_fmr", "The false-match rate is not supported")            \
    X(NOT_CALIBRATED, 400, "not_calibrated", "The model has no measured thresholds")               \
    X(UNAUTHORIZED, 401, "unauthorized", "A key is needed")                                        \
    X(INSUFFICIENT_SCOPE, 403, "insufficient_scope", "The caller may not do this")                 \
    X(SUBJECT_DISABLED, 403, "subject_disabled", "The subject was refused too often")              \
    X(ORIGIN_NOT_ALLOWED, 403, "origin_not_allowed", "The request's origin is not allowed")        \
    X(NOT_FOUND, 404, "not_found", "No such resource")                                             \
    X(UNKNOWN_MODEL, 404, "unknown_model", "No such model")                                        \
    X(METHOD_NOT_ALLOWED, 405, "method_not_allowed", "The method is not allowed here")             \
    X(TIMEOUT, 408, "timeout", "The request took too long to arrive")                              \
    X(VERSION_MISMATCH, 409, "version_mismatch", "The embeddings are of different versions")       \
    X(ACTIVE_VERSION, 409, "active_version", "The version is the active one")                      \
    X(IN_USE, 409, "in_use", "It is in use")                                                       \
    X(WRONG_STATE, 409, "wrong_state", "The state does not allow it")                              \
    X(DATASET_EXISTS, 409, "dataset_exists", "The data set exists with other content")             \
    X(NOT_LOADABLE, 409, "not_loadable", "The version cannot be loaded")                           \
    X(NOT_TRAINABLE, 409, "not_trainable", "The model cannot be trained")                          \
    X(BODY_TOO_LARGE, 413, "body_too_large", "The body is too large")                              \
    X(UNSUPPORTED_MEDIA_TYPE, 415, "unsupported_media_type", "The content type is not supported")  \
    X(MISDIRECTED_REQUEST, 421, "misdirected_request", "The Host is not served here")              \
    X(INVALID_IMAGE, 422, "invalid_image", "The image cannot be decoded")                          \
    X(UNSUPPORTED_IMAGE_FORMAT, 422, "unsupported_image_format",                                   \
      "The image format is unsupported")                                                           \
    X(IMAGE_TOO_LARGE, 422, "image_too_large", "The image is too large")                           \
    X(NO_FACE, 422, "no_face", "No face found")                                                    \
    X(MANY_FACES, 422, "many_faces", "More than one face found")                                   \
    X(FACE_TOO_SMALL, 422, "face_too_small", "The face is too small")                              \
    X(ATYPICAL_EMBEDDING, 422, "atypical_embedding", "The embedding is no genuine face's")         \
    X(IDEMPOTENCY_KEY_REUSED, 422, "idempotency_key_reused", "The key was used with another body") \
    X(HEADERS_TOO_LARGE, 431, "headers_too_large", "The request's headers are too large")          \
    X(RATE_LIMITED, 429, "rate_limited", "Too many requests")                                      \
    X(SUBJECT_LOCKED, 429, "subject_locked", "The subject must wait")                              \
    X(INTERNAL, 500, "internal", "Internal error")                                                 \
    X(OVERLOADED, 503, "overloaded", "The service is overloaded")                                  \
    X(DRAINING, 503, "draining", "The service is shutting down")                                   \
    X(DEADLINE_EXCEEDED, 504, "deadline_exceeded", "The deadline passed")                          \
    X(STORAGE_FULL, 507, "storage_full", "The disk is full")

enum status {
#define X(name, http, code, title) STATUS_##name,
    STATUS_TABLE(X)
#undef X
        STATUS_COUNT
};

struct error {
    char detail[256]; /* one sentence, UTF-8, always terminated */
};

int status_http(enum status status);
const char *status_code(enum status status);  /* "no_face" */
const char *status_title(enum status status); /* "No face found" */

/* Formats the sentence into err (which may be NULL) and returns status, so that a function ends
 * `return error_set(err, …);` */
enum status error_set(struct error *err, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#ifdef __clang_analyzer__ /* It reads one file at a time: here it learns what comes back. */
#define error_set(err, status, ...) ((void)error_set(err, status, __VA_ARGS__), (status))
#endif

#ifdef __cplusplus
}
#endif
#endif
