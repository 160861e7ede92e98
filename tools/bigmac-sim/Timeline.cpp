//===- Timeline.cpp - The schedule as a picture in text -------------------===//

#include "Timeline.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <vector>

namespace bigmac::sim {

using namespace planning;

namespace {

/// One letter for each kind of action; '.' is idle and comes first.
constexpr std::string_view letters = ".FBWeEgHG";
constexpr std::string_view legend =
    "F forward, B backward, W weight gradient, e/E encoder forward/backward, G generator "
    "(g/H forward/backward where split), . idle";

size_t letterOf(const Action &action) {
  static constexpr std::array<std::array<size_t, 4>, 3> table = {
      {{1, 2, 3, 0}, {4, 5, 0, 0}, {6, 7, 0, 8}}};
  return table[static_cast<size_t>(action.component)][static_cast<size_t>(action.phase)];
}

std::string rankLine(const Simulation &simulation, uint32_t rank, unsigned columns) {
  const double width = simulation.timing.makespan / columns;
  std::vector<std::array<double, letters.size()>> share(columns);
  for (auto &column : share)
    column.fill(0);
  for (size_t i = 0; i < simulation.schedule.orders[rank].size(); ++i) {
    double start = simulation.timing.start[rank][i], end = simulation.timing.end[rank][i];
    size_t letter = letterOf(simulation.schedule.orders[rank][i]);
    for (double c = std::floor(start / width); c < columns && c * width < end; ++c)
      share[static_cast<size_t>(c)][letter] +=
          std::min(end, (c + 1) * width) - std::max(start, c * width);
  }
  std::string text;
  for (auto &column : share) {
    double busy = 0;
    for (double seconds : column)
      busy += seconds;
    column[0] = width - busy;
    text += letters[std::max_element(column.begin(), column.end()) - column.begin()];
  }
  return text;
}

} // namespace

std::string timeline(const Simulation &simulation, unsigned columns) {
  if (simulation.timing.makespan <= 0)
    return "";
  std::string text;
  for (uint32_t rank = 0; rank < simulation.schedule.ranks; ++rank) {
    std::string name = "rank " + std::to_string(rank);
    name.resize(8, ' ');
    text += name + rankLine(simulation, rank, columns) + "\n";
  }
  return text + std::string(legend) + "\n";
}

} // namespace bigmac::sim
