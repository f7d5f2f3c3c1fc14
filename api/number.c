#include "api/number.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t digits(const char *text, size_t size) {
    size_t n = 0;
    while (n < size && text[n] >= '0' && text[n] <= '9')
        n++;
    return n;
}

/* number = [ "-" ] int [ "." 1*DIGIT ] [ ("e" / "E") [ "-" / "+" ] 1*DIGIT ] */
static bool is_json_number(const char *text, size_t size) {
    size_t i = 0;
    if (i < size && text[i] == '-')
        i++;
    size_t n = digits(text + i, size - i);
    if (n == 0 || (n > 1 && text[i] == '0'))
        return false;
    i += n;
    if (i < size && text[i] == '.') {
        n = digits(text + i + 1, size - i - 1);
        if (n == 0)
            return false;
        i += 1 + n;
    }
    if (i < size && (text[i] == 'e' || text[i] == 'E')) {
        i++;
        if (i < size && (text[i] == '+' || text[i] == '-'))
            i++;
        n = digits(text + i, size - i);
        if (n == 0)
            return false;
        i += n;
    }
    return i == size;
}

bool number_parse(const char *text, size_t size, double *value) {
    if (size > NUMBER_TEXT_MAX || !is_json_number(text, size))
        return false;
    /* The same text is the same number in a form and in a JSON body: jansson calls strtod too. Here
     * it is called without jansson, which would need memory, and might not have it. */
    char copy[NUMBER_TEXT_MAX + 1];
    memcpy(copy, text, size);
    copy[size] = '\0';
    char *point = strchr(copy, '.');
    if (point)
        *point = *localeconv()->decimal_point;
    *value = strtod(copy, NULL);
    return isfinite(*value);
}

bool number_parse_integer(const char *text, uint64_t low, uint64_t high, uint64_t *value) {
    size_t size = strlen(text);
    if (size == 0 || size > 15 || digits(text, size) != size || (size > 1 && text[0] == '0'))
        return false;
    uint64_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum = sum * 10 + (uint64_t)(text[i] - '0');
    *value = sum;
    return sum >= low && sum <= high;
}
