//===- Emulator.h - Runs kernels on a CPU -----------------------*- C++ -*-===//
//
// Kernels that were compiled for the CPU, block after block: the threads of a block take turns and
// meet at barriers and shuffles. What depends on the order of threads differs from run to run on a
// GPU; here even blocks run their threads forwards and odd ones backwards.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_TEST_TARGET_CUDA_EMULATOR_H
#define BIGMAC_TEST_TARGET_CUDA_EMULATOR_H

#include <cstdint>

namespace bigmac::test {

/// Takes the addresses of its arguments.
using PackedKernel = void (*)(void **arguments);

/// Ends the process where a block's threads wait for each other in vain.
void runGrid(PackedKernel kernel, void **arguments, uint32_t blocks, uint32_t threads);

} // namespace bigmac::test

// What kernels call.
extern "C" {
int32_t bm_emulated_thread(void);
int32_t bm_emulated_block(void);
void bm_emulated_barrier(void);
/// The `value` of the lane of the warp whose number differs in the bits of `lanes`.
int32_t bm_emulated_shuffle_xor(int32_t value, int32_t lanes);
}

#endif // BIGMAC_TEST_TARGET_CUDA_EMULATOR_H
