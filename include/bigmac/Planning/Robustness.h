//===- Robustness.h - A schedule under other times than planned -*- C++ -*-===//
//
// A schedule is made from mean times and executed by order, so times that vary cost time. How much
// is measured by executing it again with varied times.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_PLANNING_ROBUSTNESS_H
#define BIGMAC_PLANNING_ROBUSTNESS_H

#include "bigmac/Planning/Costs.h"
#include "bigmac/Planning/Dependencies.h"
#include "bigmac/Planning/Result.h"
#include "bigmac/Planning/Schedule.h"

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace bigmac::planning {

/// A way in which times vary, as in Jitter.
struct Variation {
  std::string_view name;
  double amount = 0;
  bool images = false;
};

/// "10%" and "30%": every action's time, by up to that. "images": encoder and generator by a
/// heavy-tailed number of images. Without encoder and generator the last one changes nothing, and
/// is left out.
std::span<const Variation> standardVariations(const Costs &costs);

/// Makespans over several seeds.
struct Spread {
  Variation variation;
  double mean = 0;
  double worst = 0;
  /// Mean of the busiest rank's work in the same draws: no order of the same actions on the same
  /// ranks is faster on average, even if it knew the times.
  double meanBound = 0;
};

/// Executes `schedule` under each variation with the seeds firstSeed .. firstSeed + seeds - 1.
/// Errors: those of execute().
Result<std::vector<Spread>> measureRobustness(const Schedule &schedule,
                                              const Dependencies &dependencies, const Costs &costs,
                                              uint64_t firstSeed, uint32_t seeds);

} // namespace bigmac::planning

#endif // BIGMAC_PLANNING_ROBUSTNESS_H
