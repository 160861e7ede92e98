#include "AdamWScalars.h"

#include "bigmac-rt/Device.h"
#include "bigmac-rt/Error.h"

#include <algorithm>
#include <cmath>

namespace bigmac::rt {

void AdamWShard::check() const {
  auto isFloat = [](bm_dtype type) { return type == BM_F32 || type == BM_BF16; };
  bool isWide = paramType == BM_F32, hasMaster = master != BM_NONE64;
  if (!isFloat(paramType) || !isFloat(gradType) || !isFloat(momentType) ||
      (isWide && (gradType != BM_F32 || momentType != BM_F32 || hasMaster)) ||
      (hasMaster ? momentType != BM_F32 : momentType != paramType))
    throw RuntimeError("AdamW on parameters, gradients and moments of types " +
                       std::to_string(paramType) + ", " + std::to_string(gradType) + ", " +
                       std::to_string(momentType) +
                       "; expected float32, or bfloat16 parameters with float32 moments and master "
                       "weights, or bfloat16 moments and none");
}

AdamWScalars adamWScalars(const AdamW &how) {
  double c1 = 1 - std::pow(how.beta1, static_cast<double>(how.step));
  double c2 = 1 - std::pow(how.beta2, static_cast<double>(how.step));
  return {.gradScale = static_cast<float>(how.gradScale),
          .clip = static_cast<float>(std::min(how.clip, 1.0)),
          .decay = static_cast<float>(1 - how.lr * how.weightDecay),
          .oneMinusBeta1 = static_cast<float>(1 - how.beta1),
          .beta2 = static_cast<float>(how.beta2),
          .oneMinusBeta2 = static_cast<float>(1 - how.beta2),
          .sqrtC2 = static_cast<float>(std::sqrt(c2)),
          .eps = static_cast<float>(how.eps),
          .minusStepSize = static_cast<float>(-(how.lr / c1))};
}

} // namespace bigmac::rt
