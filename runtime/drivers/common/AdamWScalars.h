//===- AdamWScalars.h - What every element's AdamW step shares ------------===//

#ifndef BIGMAC_RT_ADAMWSCALARS_H
#define BIGMAC_RT_ADAMWSCALARS_H

namespace bigmac::rt {

struct AdamW;

/// Rounded to fp32 where torch rounds them. For an element:
///   g = grad * gradScale * clip;  p = param * decay;  m += oneMinusBeta1 * (g - m)
///   v = v * beta2 + oneMinusBeta2 * g * g;  param = p + minusStepSize * m / (sqrt(v) / sqrtC2 +
///   eps)
struct AdamWScalars {
  float gradScale, clip, decay, oneMinusBeta1, beta2, oneMinusBeta2, sqrtC2, eps, minusStepSize;
};

AdamWScalars adamWScalars(const AdamW &how);

} // namespace bigmac::rt

#endif // BIGMAC_RT_ADAMWSCALARS_H
