#include "AdamWScalars.h"

#include "bigmac-rt/Device.h"

#include <algorithm>
#include <cmath>

namespace bigmac::rt {

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
