//===- Emulated.h - What the emulated libraries share ----------------------===//

#ifndef BIGMAC_TEST_RUNTIME_EMULATED_H
#define BIGMAC_TEST_RUNTIME_EMULATED_H

#include <cuda.h>
#include <functional>
#include <string>

namespace bigmac::test {

/// An operation says whether it is done; one that waits is asked again.
using Operation = std::function<bool()>;

/// What a launch of the kernel `name` with these arguments does; null if there is no such kernel.
using Kernel = std::function<Operation(void **arguments)>;
Kernel findKernel(const std::string &name);

/// Whether kernels reach these bytes: in the device's memory, or pinned.
bool isReachable(const void *memory, size_t bytes);

/// Adds to what a stream does.
void enqueue(CUstream stream, Operation operation);

} // namespace bigmac::test

#endif // BIGMAC_TEST_RUNTIME_EMULATED_H
