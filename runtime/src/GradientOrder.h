//===- GradientOrder.h - When gradients are complete ----------------------===//
//
// A class of gradients may be summed over ranks as soon as no instruction of the list touches it
// any more, while others are still computed. Read off the plan, so all ranks know it of each other.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_RT_GRADIENTORDER_H
#define BIGMAC_RT_GRADIENTORDER_H

#include "bigmac-rt/PlanView.h"

#include <vector>

namespace bigmac::rt {

/// By class: after how many instructions of a pipeline rank its gradients there are complete, that
/// is, are not touched any more.
std::vector<size_t> gradientsComplete(const PlanView &plan, uint32_t pipelineRank);

/// The trained classes, as all ranks sum them: by when, in parts of a rank's list, the last of
/// their ranks has its gradients complete. One order for all, so that no two ranks each wait for
/// the other with another class.
std::vector<uint32_t> gradientOrder(const PlanView &plan);

} // namespace bigmac::rt

#endif // BIGMAC_RT_GRADIENTORDER_H
