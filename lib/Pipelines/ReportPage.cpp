//===- ReportPage.cpp - The report of a compiled program as a page ---------===//

#include "ReportPage.h"

#include "RankMemory.h"
#include "bigmac/Report/Page.h"

#include <map>
#include <tuple>

using namespace mlir;
using namespace bigmac;

namespace {

/// Dependencies as another object gave them for the actions of a schedule.
class RecordedDependencies final : public planning::Dependencies {
public:
  RecordedDependencies(const planning::Schedule &schedule, const planning::Dependencies &from) {
    for (uint32_t rank = 0; rank < schedule.ranks; ++rank)
      for (const planning::Action &action : schedule.orders[rank])
        from.append(rank, action, producers[keyOf(rank, action)]);
  }

  void append(uint32_t rank, const planning::Action &consumer,
              std::vector<planning::Dependency> &list) const override {
    auto found = producers.find(keyOf(rank, consumer));
    if (found != producers.end())
      list.insert(list.end(), found->second.begin(), found->second.end());
  }

private:
  using Key = std::tuple<uint32_t, planning::Component, planning::Phase, uint16_t, uint32_t>;
  static Key keyOf(uint32_t rank, const planning::Action &action) {
    return {rank, action.component, action.phase, action.chunk, action.microbatch};
  }
  std::map<Key, std::vector<planning::Dependency>> producers;
};

} // namespace

void ReportPage::record(const planning::Dependencies &from) {
  dependencies = std::make_unique<RecordedDependencies>(schedule, from);
}

FailureOr<std::string> ReportPage::render(ModuleOp module, const std::string &title,
                                          uint64_t limit) const {
  report::Content content;
  content.name = name;
  content.schedule = &schedule;
  content.timing = &timing;
  content.figures = &figures;
  content.dependencies = dependencies.get();
  content.transfer = transfer;
  content.notes = notes;
  auto program = *module.getOps<rt::ProgramOp>().begin();
  FailureOr<report::Memory> memory = memoryOverTime(program, schedule);
  if (failed(memory))
    return failure();
  content.memory = std::move(*memory);
  if (limit)
    content.memory->limit = limit;
  auto page = report::renderPage(title, std::span(&content, 1));
  if (!page)
    return module.emitError("cannot make the report: ") << page.message();
  return std::move(*page);
}
