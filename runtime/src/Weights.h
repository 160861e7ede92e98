//===- Weights.h - Loading parameters from safetensors --------------------===//

#ifndef BIGMAC_RT_WEIGHTS_H
#define BIGMAC_RT_WEIGHTS_H

#include "Holdings.h"
#include "Safetensors.h"
#include "bigmac-rt/Device.h"

#include <functional>
#include <string>
#include <vector>

namespace bigmac::rt {

/// Path of the weights that the compiler wrote: the plan's file name beside the executable, or
/// EXECUTABLE.safetensors where the two were renamed together. RuntimeError if there is none.
std::string findInitialWeights(const PlanView &plan, const std::string &executable);

/// RuntimeError unless `file` is the one that the plan was compiled with.
void checkFingerprint(const SafetensorsFile &file, const PlanView &plan);

/// Copies every parameter that this rank holds to the device. All parameters of the plan are
/// checked, on every rank: RuntimeError lists each that is missing or of another shape or type.
/// Floats of any type are converted to float32 and bfloat16; master copies get the file's numbers
/// before they are rounded. Returns how many tensors of the file the model has not.
size_t loadWeights(const SafetensorsFile &file, const PlanView &plan, const Holdings &holdings,
                   Device &device);

} // namespace bigmac::rt

#endif // BIGMAC_RT_WEIGHTS_H
