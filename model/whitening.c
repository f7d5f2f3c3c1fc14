/* Everything in double. Only lower triangles are computed and read: S and C are symmetric, L and
 * its inverse triangular. */
#include "model/whitening.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* ---- the covariance ---- */

static void mean_of(const float *rows, uint32_t images, uint32_t length, double *mean) {
    for (uint32_t k = 0; k < length; k++) {
        double sum = 0;
        for (uint32_t i = 0; i < images; i++)
            sum += (double)rows[(size_t)i * length + k];
        mean[k] = sum / images;
    }
}

/* Adds one person's covariance. deviation (length): working memory. */
static void add_person(const float *rows, uint32_t images, uint32_t length, const double *mean,
                       double *deviation, double *matrix) {
    for (uint32_t image = 0; image < images; image++) {
        for (uint32_t k = 0; k < length; k++)
            deviation[k] = (double)rows[(size_t)image * length + k] - mean[k];
        for (uint32_t i = 0; i < length; i++)
            for (uint32_t j = 0; j <= i; j++)
                matrix[(size_t)i * length + j] += deviation[i] * deviation[j] / (images - 1);
    }
}

/* matrix (length, length), zeros -> S. vectors (2, length): working memory. Returns how many people
 * it is the mean of. */
static uint32_t covariance(const struct gallery *gallery, double *vectors, double *matrix) {
    uint32_t length = gallery->length, paired = 0;
    double *mean = vectors, *deviation = vectors + length;
    for (uint32_t person = 0; person < gallery->people; person++) {
        uint32_t images = gallery_images_of(gallery, person);
        const float *rows = gallery->embeddings + (size_t)gallery->first[person] * length;
        if (images < 2)
            continue;
        mean_of(rows, images, length, mean);
        add_person(rows, images, length, mean, deviation, matrix);
        paired++;
    }
    for (size_t i = 0; paired && i < (size_t)length * length; i++)
        matrix[i] /= paired;
    return paired;
}

/* ---- its root ---- */

/* C -> L with C = L Lᵀ. False: C is not positive definite. */
static bool decompose(double *matrix, uint32_t length) {
    for (uint32_t i = 0; i < length; i++) {
        double *row = matrix + (size_t)i * length;
        for (uint32_t j = 0; j <= i; j++) {
            const double *other = matrix + (size_t)j * length;
            double sum = row[j];
            for (uint32_t k = 0; k < j; k++)
                sum -= row[k] * other[k];
            if (i != j)
                row[j] = sum / other[j];
            else if (sum > 0) /* not for NaN */
                row[j] = sqrt(sum);
            else
                return false;
        }
    }
    return true;
}

/* L -> scale × L⁻¹, a column at a time by forward substitution. column (length): working memory. */
static void invert(const double *root, uint32_t length, double scale, double *column, float *head) {
    for (uint32_t k = 0; k < length; k++) {
        for (uint32_t i = 0; i < length; i++) {
            const double *row = root + (size_t)i * length;
            double sum = i == k ? scale : 0;
            for (uint32_t j = k; j < i; j++)
                sum -= row[j] * column[j];
            column[i] = i < k ? 0 : sum / row[i];
            head[(size_t)i * length + k] = (float)column[i];
        }
    }
}

/* ---- the whole ---- */

static enum status learn(const struct gallery *gallery, double *matrix, double *vectors,
                         float *head, struct error *err) {
    uint32_t length = gallery->length, paired = covariance(gallery, vectors, matrix);
    double eigenvalue = 0;
    for (uint32_t i = 0; i < length; i++)
        eigenvalue += matrix[(size_t)i * length + i] / length;
    if (paired == 0 || !(eigenvalue > 0))
        return error_set(err, STATUS_INVALID_FIELD,
                         "a head needs people with two images that differ");
    for (uint32_t i = 0; i < length; i++)
        matrix[(size_t)i * length + i] += eigenvalue;
    if (!decompose(matrix, length))
        return error_set(err, STATUS_INVALID_FIELD, "an embedding is not finite");
    invert(matrix, length, sqrt(2 * eigenvalue), vectors, head);
    return STATUS_OK;
}

enum status whitening_learn(const struct gallery *gallery, float *head, struct error *err) {
    uint32_t length = gallery->length;
    double *matrix = calloc((size_t)length * length, sizeof(*matrix));
    double *vectors = calloc(length, 2 * sizeof(*vectors));
    enum status status = matrix && vectors ? learn(gallery, matrix, vectors, head, err)
                                           : error_set(err, STATUS_INTERNAL, "out of memory");
    free(matrix);
    free(vectors);
    return status;
}

enum status whitening_apply(const float *head, struct gallery *gallery, struct error *err) {
    uint32_t length = gallery->length;
    float *vector = calloc(length, sizeof(*vector));
    if (!vector)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    for (uint32_t image = 0; image < gallery_images(gallery); image++) {
        float *embedding = gallery->embeddings + (size_t)image * length;
        for (uint32_t i = 0; i < length; i++) {
            double sum = 0;
            for (uint32_t k = 0; k < length; k++)
                sum += (double)head[(size_t)i * length + k] * (double)embedding[k];
            vector[i] = (float)sum;
        }
        for (uint32_t i = 0; i < length; i++)
            embedding[i] = vector[i];
    }
    free(vector);
    return STATUS_OK;
}
