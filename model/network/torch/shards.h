/* Work that is done in shards: pieces of one batch, which the threads of a team take in turn, each
 * computing its piece alone.
 *
 * libtorch's own way is to share out every operation among the threads, which wait for each other
 * at its end, some thousand times in a step. A thread that has lost its processor to a request
 * (training runs under SCHED_IDLE beside the service) then holds up the other a thousand times, and
 * the time that one processor has to spare is lost with the other's. Pieces are as long as a thread
 * takes; whichever thread is free takes the next.
 *
 * What is computed does not depend on the number of threads: the pieces are the same, and sums over
 * them are made in their order.
 */
#ifndef FACEPAIR_MODEL_NETWORK_TORCH_SHARDS_H
#define FACEPAIR_MODEL_NETWORK_TORCH_SHARDS_H

#include "model/go_on.h"

extern "C" {
#include "model/network/team.h"
}

#include <ATen/core/Tensor.h>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

/* Thrown where it is not to go on. */
struct shards_ended {};

class shard_team {
  public:
    /* threads: at least 1. Throws when they cannot be had. */
    shard_team(unsigned threads, const struct go_on &go_on);

    /* work(shard) for each shard below count, each once, whole on one thread, in libtorch's modes
     * of the caller's thread (gradients, inference). Returns when all are done; what one of them
     * threw is thrown on, and those not begun are left out. After each it is asked whether to go
     * on. One caller at a time. */
    void run(size_t count, const std::function<void(size_t)> &work);

  private:
    std::unique_ptr<struct team, void (*)(struct team *)> team;
    unsigned threads;
    struct go_on go_on;
};

/* Sums of what each shard gives, in the shards' order, whoever is done first. */
class ordered_sum {
  public:
    explicit ordered_sum(size_t shards) : waiting(shards) {}
    /* One tensor for each sum, the same number from every shard; any thread, each shard once. */
    void add(size_t shard, std::vector<at::Tensor> given);
    std::vector<at::Tensor> sums; /* once every shard was added */

  private:
    std::mutex lock;
    std::vector<std::vector<at::Tensor>> waiting; /* for those before them */
    size_t next = 0;
};

#endif
