//===- PlanView.h - Opens and checks a plan image -------------------------===//
//
// Everything that the runtime later relies on is proved here once: every table and name is inside
// the image, every offset inside its rank's arena, parameters and optimizer state do not overlap,
// sends and receives pair up in number, order and size, and no order of ranks can deadlock even
// when every send blocks until its receive is posted. Throws nothing of its own.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_RT_PLANVIEW_H
#define BIGMAC_RT_PLANVIEW_H

#include "bigmac-rt/plan.h"

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace bigmac::rt {

/// A checked image; does not own it.
class PlanView {
public:
  /// Nothing and a message in `error` if anything in the image is not as plan.h says. `data` must
  /// be aligned to 8 bytes and outlive the view.
  static std::optional<PlanView> open(const void *data, size_t size, std::string &error);

  const bm_plan &header() const { return *plan; }
  /// Ranks times replicas.
  uint32_t world() const { return plan->ranks * plan->replicas; }

  std::string_view text(const bm_string &value) const {
    return {reinterpret_cast<const char *>(base + value.offset), value.size};
  }
  template <typename T> std::span<const T> table(const bm_range &range) const {
    return {reinterpret_cast<const T *>(base + range.offset), range.count};
  }

  std::span<const bm_input> inputs() const { return table<bm_input>(plan->inputs); }
  std::span<const bm_param> params() const { return table<bm_param>(plan->params); }
  std::span<const bm_class> classes() const { return table<bm_class>(plan->classes); }
  std::span<const bm_member> members(const bm_class &entry) const {
    return table<bm_member>(entry.members);
  }
  std::span<const bm_task> tasks() const { return table<bm_task>(plan->tasks); }
  std::span<const bm_scalar> scalars() const { return table<bm_scalar>(plan->scalars); }
  std::span<const bm_rank> ranks() const { return table<bm_rank>(plan->rank_plans); }
  std::span<const bm_instr> instrs(const bm_rank &rank) const {
    return table<bm_instr>(rank.instrs);
  }
  std::span<const int64_t> dims(const bm_range &range) const { return table<int64_t>(range); }

  /// Elements of a trained class, padding included, and of each of its shards.
  uint64_t elements(const bm_class &entry) const;
  uint64_t shardElements(const bm_class &entry) const;
  /// Product of the dimensions (checked at opening not to overflow).
  uint64_t elements(const bm_range &range) const;
  uint64_t bytes(const bm_input &input) const;
  uint64_t bytes(const bm_param &param) const;

private:
  PlanView(const unsigned char *base) : base(base), plan(reinterpret_cast<const bm_plan *>(base)) {}

  const unsigned char *base;
  const bm_plan *plan;
};

/// The part of open() that looks at programs: each instruction, then transfers and deadlock between
/// ranks. False and a message in `error` if something is wrong.
bool checkPrograms(const PlanView &plan, std::string &error);

/// "F", "EB", "G", ... as schedules spell them; empty for what belongs to no action.
std::string_view actionKind(const bm_instr &instr);

/// "F chunk 1 microbatch 3"; for messages and traces.
std::string actionName(const bm_instr &instr);

/// bm_plan.checksum of an image of at least a header's size.
uint64_t planChecksum(const void *image, size_t size);

/// "1 rank", "2 ranks".
std::string counted(uint64_t count, const char *noun);

/// "2 replicas x 4 pipeline ranks".
std::string worldText(const PlanView &plan);

/// "float32", "int64", ...; "?" for an unknown type.
std::string_view dtypeName(uint32_t dtype);

} // namespace bigmac::rt

#endif // BIGMAC_RT_PLANVIEW_H
