// In place of Attentions.cpp where cudnn_frontend was not found when the runtime was built.

#include "Attentions.h"

namespace bigmac::rt {

struct Attentions::Prepared {};
struct Attentions::Table {};
class Attentions::Library {};

[[noreturn]] static void absent() {
  throw RuntimeError(
      "this program's attention needs cuDNN, but this program was linked with a "
      "runtime that was built without the headers of cudnn_frontend; install them "
      "(the wheel nvidia-cudnn-frontend), build the runtime again and compile again");
}

Attentions::Attentions(const bm_cuda_program &, const CudaSpace &space) : space(space) { absent(); }
Attentions::~Attentions() = default;
void Attentions::forward(uint32_t, const void *, const void *, const void *, const void *, void *,
                         float *) {
  absent();
}
void Attentions::backward(uint32_t, const void *, const void *, const void *, const void *,
                          const void *, const float *, const void *, void *, void *, void *) {
  absent();
}

} // namespace bigmac::rt
