/* The device that this process computes on, chosen once by network_runtime_open. */
#ifndef FACEPAIR_MODEL_NETWORK_TORCH_RUNTIME_H
#define FACEPAIR_MODEL_NETWORK_TORCH_RUNTIME_H

#include <ATen/core/Tensor.h>

/* The device; throws std::logic_error before network_runtime_open has succeeded. */
c10::Device runtime_device();
/* libtorch keeps the number of threads per calling thread: to be called on a thread before it
 * computes. Cheap when repeated. */
void runtime_enter_thread();

#endif
