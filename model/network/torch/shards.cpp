#include "model/network/torch/shards.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/ThreadLocalState.h>
#include <atomic>
#include <c10/core/GradMode.h>
#include <exception>
#include <sched.h>
#include <stdexcept>

namespace {

/* A processor for each member, while it lives, where there are as many as members and the policy is
 * SCHED_IDLE: Linux does not move such a thread to a processor that has nothing to do while another
 * thread keeps its own busy (measured: two of them took 44 % of the time that was left). */
class own_processor {
  public:
    own_processor(unsigned member, unsigned members) {
        if (sched_getscheduler(0) != SCHED_IDLE || sched_getaffinity(0, sizeof before, &before) ||
            CPU_COUNT(&before) != static_cast<int>(members))
            return;
        cpu_set_t own;
        CPU_ZERO(&own);
        CPU_SET(nth(member), &own);
        moved = sched_setaffinity(0, sizeof own, &own) == 0; /* a refusal costs only time */
    }
    ~own_processor() {
        if (moved)
            sched_setaffinity(0, sizeof before, &before);
    }
    own_processor(const own_processor &) = delete;
    own_processor &operator=(const own_processor &) = delete;

  private:
    size_t nth(unsigned member) const {
        size_t cpu = 0;
        for (unsigned passed = 0;; cpu++)
            if (CPU_ISSET(cpu, &before) && passed++ == member)
                return cpu;
    }
    cpu_set_t before;
    bool moved = false;
};

struct sharing {
    const std::function<void(size_t)> &work;
    size_t count;
    unsigned members;
    const struct go_on &go_on;
    at::ThreadLocalState modes;
    std::atomic<size_t> next = 0;
    std::mutex lock;           /* of what follows, and while it is asked */
    bool ended = false;        /* it is not asked again */
    std::exception_ptr thrown; /* the first */
};

void ask(sharing &sharing) {
    std::lock_guard held(sharing.lock);
    sharing.ended = sharing.ended || !go_on_ask(&sharing.go_on);
    if (sharing.ended)
        throw shards_ended();
}

void take_shards(sharing &sharing) {
    at::ThreadLocalStateGuard modes(sharing.modes);
    at::set_num_threads(1);
    for (size_t shard; (shard = sharing.next++) < sharing.count; ask(sharing))
        sharing.work(shard);
}

void take_part(void *context, unsigned member) {
    struct sharing &sharing = *static_cast<struct sharing *>(context);
    own_processor processor(member, sharing.members);
    try {
        take_shards(sharing);
    } catch (...) {
        sharing.next = sharing.count;
        std::lock_guard held(sharing.lock);
        if (!sharing.thrown)
            sharing.thrown = std::current_exception();
    }
}

struct team *create(unsigned threads) {
    struct team *team;
    struct error err;
    if (team_create(threads, &team, &err) != STATUS_OK)
        throw std::runtime_error(err.detail);
    return team;
}

} // namespace

shard_team::shard_team(unsigned given, const struct go_on &asked)
    : team(create(given), team_destroy), threads(given), go_on(asked) {}

void shard_team::run(size_t count, const std::function<void(size_t)> &work) {
    sharing sharing{.work = work,
                    .count = count,
                    .members = threads,
                    .go_on = go_on,
                    .modes = {},
                    .lock = {},
                    .thrown = {}};
    team_run(team.get(), threads, take_part, &sharing);
    if (sharing.thrown)
        std::rethrow_exception(sharing.thrown);
}

void ordered_sum::add(size_t shard, std::vector<at::Tensor> given) {
    c10::NoGradGuard no_gradient;
    std::lock_guard held(lock);
    waiting[shard] = std::move(given);
    for (; next < waiting.size() && !waiting[next].empty(); next++) {
        if (next == 0)
            sums = std::move(waiting[next]);
        else
            for (size_t i = 0; i < sums.size(); i++)
                sums[i].add_(waiting[next][i]);
        waiting[next].clear();
    }
}
