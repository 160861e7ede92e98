// The fixture's tasks for the target "cuda".

#include "FixtureModel.h"

#include "bigmac-rt/cuda.h"

extern "C" const unsigned char fixture_kernel_image[];

namespace bigmac::fixture {

static const bm_cuda_kernel kernels[] = {{"fixture_embed", 0, 0},
                                         {"fixture_forward", 0, 0},
                                         {"fixture_head", 0, 0},
                                         {"fixture_backward", 0, 0},
                                         {"fixture_embed_gradient", 0, 0}};

template <uint32_t Kernel, size_t Arguments> static void launch(void *const *args) {
  if (Kernel == 1 && onForward)
    onForward();
  void *params[Arguments];
  for (size_t i = 0; i < Arguments; ++i)
    params[i] = const_cast<void **>(&args[i]);
  bm_cuda_launch(Kernel, 1, 1, 1, 1, 1, 1, params);
}

const bm_cuda_program kCudaProgram = {
    fixture_kernel_image, kernels, 5, nullptr, 0, nullptr, 0, 4096};
const bm_task_fn kCudaTasks[] = {launch<0, 3>, launch<1, 5>, launch<2, 10>, launch<3, 9>,
                                 launch<4, 3>};

} // namespace bigmac::fixture
