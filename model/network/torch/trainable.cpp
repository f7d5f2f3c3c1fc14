#include "model/network/torch/trainable.h"
#include "model/network/train.h"

#include <charconv>
#include <cstring>
#include <optional>

namespace {

/* 3 of "last_3", 1 of "last_block"; nothing of any other text. More than fits counts as most. */
std::optional<size_t> last_blocks(std::string_view text) {
    constexpr std::string_view prefix = "last_";
    if (text == "last_block")
        return 1;
    if (!text.starts_with(prefix) || text.size() == prefix.size())
        return std::nullopt;
    size_t count = 0;
    auto [rest, fault] = std::from_chars(text.data() + prefix.size(), text.end(), count);
    if (rest != text.end())
        return std::nullopt;
    return fault == std::errc() ? count : SIZE_MAX;
}

bool any_matches(std::string_view patterns, std::string_view name) {
    for (;;) {
        size_t comma = patterns.find(',');
        if (pattern_matches(patterns.substr(0, comma), name))
            return true;
        if (comma == std::string_view::npos)
            return false;
        patterns.remove_prefix(comma + 1);
    }
}

enum status check(const char *trainable, const chain &arch, struct error *err) {
    if (std::strlen(trainable) > NETWORK_TRAIN_PATTERN_MAX)
        return error_set(err, STATUS_INVALID_FIELD, "trainable: at most %d bytes",
                         NETWORK_TRAIN_PATTERN_MAX);
    std::optional<size_t> last = last_blocks(trainable);
    if (last && (*last == 0 || *last > arch.blocks()))
        return error_set(err, STATUS_INVALID_FIELD, "trainable: the network has blocks 1 to %zu",
                         arch.blocks());
    return STATUS_OK;
}

} // namespace

/* One star at a time: what stands after the last star that was met is tried ever farther on, and
 * what that star was before never matters again. */
bool pattern_matches(std::string_view pattern, std::string_view text) {
    size_t p = 0, t = 0, star = std::string_view::npos, star_text = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            star_text = t;
        } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
            p++, t++;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++star_text;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

enum status trainable_choose(const char *trainable, const chain &arch,
                             const std::vector<parameter> &parameters,
                             std::vector<parameter> &chosen, struct error *err) {
    enum status status = check(trainable, arch, err);
    if (status != STATUS_OK)
        return status;
    std::optional<size_t> last = last_blocks(trainable);
    bool all = std::strcmp(trainable, "all") == 0;
    size_t blocks = arch.blocks();
    for (const parameter &parameter : parameters) {
        size_t stage = arch.stage_of(parameter.name);
        bool means = last ? stage > blocks - *last && stage <= blocks
                          : all || any_matches(trainable, parameter.name);
        if (means)
            chosen.push_back(parameter);
    }
    if (chosen.empty())
        return error_set(err, STATUS_INVALID_FIELD, "trainable: no tensor's name matches %.100s",
                         trainable);
    for (const parameter &parameter : chosen)
        parameter.value.set_requires_grad(true);
    return STATUS_OK;
}
