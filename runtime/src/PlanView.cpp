#include "bigmac-rt/PlanView.h"

#include "bigmac-rt/Hash.h"
#include "bigmac-rt/PlanWriter.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace bigmac::rt {

namespace {

std::string quoted(std::string_view name) { return "'" + std::string(name) + "'"; }

/// The checks of open(), each of which leaves a message in `error` and returns false on failure.
class Opener {
public:
  Opener(const unsigned char *base, size_t size, std::string &error)
      : base(base), size(size), error(error) {}

  bool fail(std::string message) {
    error = "damaged plan image: " + std::move(message);
    return false;
  }

  template <typename T> bool inside(const bm_range &range, const char *what) {
    if (range.offset % 8 != 0 || range.offset > size ||
        range.count > (size - range.offset) / sizeof(T))
      return fail(std::string("table of ") + what + " lies outside the image");
    return true;
  }
  bool inside(const bm_string &value, const char *what) {
    if (value.offset > size || value.size > size - value.offset)
      return fail(std::string(what) + " lies outside the image");
    return true;
  }

  bool header();
  bool tables(const PlanView &plan);
  bool named(const PlanView &plan);
  bool classes(const PlanView &plan);
  bool params(const PlanView &plan);
  bool regions(const PlanView &plan);

private:
  bool dims(const PlanView &plan, const bm_range &range, uint32_t dtype, const std::string &what);

  const unsigned char *base;
  size_t size;
  std::string &error;
};

bool Opener::header() {
  if (reinterpret_cast<uintptr_t>(base) % 8 != 0)
    return fail("it is not aligned to 8 bytes");
  if (size < sizeof(bm_plan))
    return fail("it is shorter than its header");
  bm_plan plan;
  std::memcpy(&plan, base, sizeof(plan));
  if (std::memcmp(plan.magic, BM_PLAN_MAGIC, sizeof(plan.magic)) != 0)
    return fail("it does not start with " BM_PLAN_MAGIC);
  if (plan.version != BM_PLAN_VERSION || plan.header_size != sizeof(bm_plan))
    return fail("version " + std::to_string(plan.version) + ", but this runtime reads version " +
                std::to_string(BM_PLAN_VERSION) + "; link the executable again");
  if (plan.image_size != size)
    return fail("its size is " + std::to_string(size) + " bytes, its header says " +
                std::to_string(plan.image_size));
  if (planChecksum(base, size) != plan.checksum)
    return fail("its checksum does not match");
  if (plan.ranks == 0 || plan.replicas == 0 || plan.microbatches == 0 || plan.samples == 0 ||
      plan.ranks > (1u << 20) || plan.replicas > (1u << 20) || plan.microbatches > (1u << 30) ||
      uint64_t(plan.ranks) * plan.replicas > (1u << 24))
    return fail("ranks, replicas, microbatches or samples are out of range");
  return true;
}

bool Opener::tables(const PlanView &plan) {
  const bm_plan &h = plan.header();
  if (!inside(h.model, "model name") || !inside(h.target, "target name") ||
      !inside(h.compiler, "compiler name") || !inside(h.options, "options text") ||
      !inside(h.weights_file, "weights file name") || !inside<bm_input>(h.inputs, "inputs") ||
      !inside<bm_param>(h.params, "parameters") || !inside<bm_class>(h.classes, "classes") ||
      !inside<bm_task>(h.tasks, "tasks") || !inside<bm_scalar>(h.scalars, "scalars") ||
      !inside<bm_rank>(h.rank_plans, "ranks"))
    return false;
  if (h.rank_plans.count != h.ranks)
    return fail("it has programs for " + std::to_string(h.rank_plans.count) + " ranks of " +
                std::to_string(h.ranks));
  if (plan.text(h.weights_file).find('/') != std::string_view::npos)
    return fail("the weights file is not a base name");
  for (const bm_class &entry : plan.classes())
    if (!inside<bm_member>(entry.members, "class members"))
      return false;
  for (const bm_task &task : plan.tasks())
    if (!inside(task.name, "task name") || !inside<uint64_t>(task.arg_bytes, "task arguments"))
      return false;
  for (const bm_rank &rank : plan.ranks())
    if (!inside<bm_instr>(rank.instrs, "instructions"))
      return false;
  for (const bm_rank &rank : plan.ranks())
    for (const bm_instr &instr : plan.instrs(rank))
      if (instr.op == BM_OP_RUN && !inside<uint64_t>(instr.u.args, "arguments"))
        return false;
  return true;
}

bool Opener::dims(const PlanView &plan, const bm_range &range, uint32_t dtype,
                  const std::string &what) {
  if (!inside<int64_t>(range, "dimensions"))
    return false;
  uint64_t bytes = elementBytes(dtype);
  if (bytes == 0)
    return fail(what + " has unknown element type " + std::to_string(dtype));
  for (int64_t dim : plan.dims(range))
    if (dim <= 0 || __builtin_mul_overflow(bytes, uint64_t(dim), &bytes) || bytes >> 62)
      return fail(what + " has a bad shape");
  return true;
}

bool Opener::named(const PlanView &plan) {
  std::vector<std::string_view> names;
  auto unique = [&](const char *what) {
    std::sort(names.begin(), names.end());
    auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end())
      return fail(std::string("two ") + what + " are named " + quoted(*twice));
    names.clear();
    return true;
  };
  for (const bm_input &input : plan.inputs()) {
    if (!inside(input.name, "input name"))
      return false;
    std::string what = "input " + quoted(plan.text(input.name));
    if (!dims(plan, input.dims, input.dtype, what))
      return false;
    if (input.dims.count == 0 || plan.dims(input.dims)[0] != int64_t(plan.header().samples))
      return fail(what + " has no leading dimension of " + std::to_string(plan.header().samples) +
                  " samples");
    names.push_back(plan.text(input.name));
  }
  if (!unique("inputs"))
    return false;
  for (const bm_param &param : plan.params()) {
    if (!inside(param.name, "parameter name") ||
        !dims(plan, param.dims, param.dtype, "parameter " + quoted(plan.text(param.name))))
      return false;
    names.push_back(plan.text(param.name));
  }
  if (!unique("parameters"))
    return false;
  size_t losses = 0, weights = 0;
  for (const bm_scalar &scalar : plan.scalars()) {
    if (!inside(scalar.name, "scalar name"))
      return false;
    losses += (scalar.flags & BM_SCALAR_LOSS) != 0;
    weights += (scalar.flags & BM_SCALAR_WEIGHT) != 0;
    names.push_back(plan.text(scalar.name));
  }
  if (losses != 1 || weights > 1)
    return fail("one scalar must be the loss and at most one its weight");
  return unique("scalars");
}

bool Opener::classes(const PlanView &plan) {
  for (size_t c = 0; c < plan.classes().size(); ++c) {
    const bm_class &entry = plan.classes()[c];
    std::string what = "class " + std::to_string(c);
    auto members = plan.members(entry);
    if (entry.kind != BM_CLASS_FROZEN && entry.kind != BM_CLASS_TRAINED)
      return fail(what + " is of kind " + std::to_string(entry.kind) +
                  ", which this runtime does not know");
    if (members.empty())
      return fail(what + " has no members");
    if (entry.bytes >> 62)
      return fail(what + " is too large");
    bool trained = entry.kind == BM_CLASS_TRAINED;
    auto isFloat = [](uint32_t type) { return type == BM_F32 || type == BM_BF16; };
    if (trained &&
        (!isFloat(entry.dtype) || !isFloat(entry.grad_dtype) || !isFloat(entry.moment_dtype) ||
         (entry.dtype == BM_F32 && (entry.grad_dtype != BM_F32 || entry.moment_dtype != BM_F32))))
      return fail(what +
                  " is trained and of types other than float32 or bfloat16, or its gradients "
                  "or moments are narrower than its parameters");
    uint64_t unit = uint64_t(members.size()) * plan.header().replicas * BM_SHARD_ALIGN *
                    elementBytes(entry.dtype);
    if (trained && entry.bytes % unit != 0)
      return fail(what + " has " + std::to_string(entry.bytes) + " bytes, not a multiple of " +
                  std::to_string(unit));
    uint64_t shard = trained ? plan.shardElements(entry) : 0;
    uint64_t moment = shard * elementBytes(entry.moment_dtype);
    bool hasMaster = trained && members[0].master_offset != BM_NONE64;
    for (size_t i = 0; i < members.size(); ++i) {
      const bm_member &member = members[i];
      if (member.rank >= plan.header().ranks || (i && member.rank <= members[i - 1].rank))
        return fail(what + " has members out of order or range");
      if ((member.master_offset != BM_NONE64) != hasMaster)
        return fail(what + " has master weights on some members only");
      if (trained && (hasMaster ? entry.dtype == BM_F32 || entry.moment_dtype != BM_F32
                                : entry.moment_dtype != entry.dtype))
        return fail(what + (hasMaster ? " has master weights beside float32 parameters, or moments "
                                        "that are not float32"
                                      : " has neither master weights nor moments of its type"));
      uint64_t arena = plan.ranks()[member.rank].arena_bytes;
      auto fits = [&](uint64_t offset, uint64_t bytes) {
        return offset % BM_REGION_ALIGN == 0 && offset <= arena && bytes <= arena - offset;
      };
      if (!fits(member.param_offset, entry.bytes) ||
          (trained &&
           (!fits(member.grad_offset, plan.elements(entry) * elementBytes(entry.grad_dtype)) ||
            !fits(member.m_offset, moment) || !fits(member.v_offset, moment))) ||
          (hasMaster && !fits(member.master_offset, shard * sizeof(float))))
        return fail(what + " has a region outside the arena of rank " +
                    std::to_string(member.rank) + ", or not aligned to " +
                    std::to_string(BM_REGION_ALIGN));
    }
  }
  return true;
}

bool Opener::params(const PlanView &plan) {
  struct Piece {
    uint32_t inClass;
    uint64_t begin, end;
    std::string_view name;
  };
  std::vector<Piece> pieces;
  for (const bm_param &param : plan.params()) {
    std::string what = "parameter " + quoted(plan.text(param.name));
    if (param.class_index >= plan.classes().size())
      return fail(what + " has no class");
    const bm_class &entry = plan.classes()[param.class_index];
    uint64_t bytes = plan.bytes(param);
    if (param.position > entry.bytes || bytes > entry.bytes - param.position)
      return fail(what + " lies outside its class");
    if (entry.kind == BM_CLASS_TRAINED && param.dtype != entry.dtype)
      return fail(what + " is trained but not of its class's type, " +
                  std::string(dtypeName(entry.dtype)));
    if (param.position % elementBytes(param.dtype) != 0)
      return fail(what + " is not aligned to its element type");
    pieces.push_back(
        {param.class_index, param.position, param.position + bytes, plan.text(param.name)});
  }
  std::sort(pieces.begin(), pieces.end(), [](const Piece &a, const Piece &b) {
    return std::tie(a.inClass, a.begin) < std::tie(b.inClass, b.begin);
  });
  for (size_t i = 1; i < pieces.size(); ++i)
    if (pieces[i].inClass == pieces[i - 1].inClass && pieces[i].begin < pieces[i - 1].end)
      return fail("parameters " + quoted(pieces[i - 1].name) + " and " + quoted(pieces[i].name) +
                  " overlap");
  return true;
}

/// What lives across steps must not overlap anything else that lives across steps.
bool Opener::regions(const PlanView &plan) {
  struct Region {
    uint64_t begin, end;
  };
  std::vector<std::vector<Region>> regions(plan.header().ranks);
  for (const bm_class &entry : plan.classes()) {
    auto members = plan.members(entry);
    for (const bm_member &member : members) {
      auto add = [&](uint64_t offset, uint64_t bytes) {
        if (bytes)
          regions[member.rank].push_back({offset, offset + bytes});
      };
      add(member.param_offset, entry.bytes);
      if (entry.kind != BM_CLASS_TRAINED)
        continue;
      uint64_t shard = plan.shardElements(entry);
      add(member.grad_offset, plan.elements(entry) * elementBytes(entry.grad_dtype));
      add(member.m_offset, shard * elementBytes(entry.moment_dtype));
      add(member.v_offset, shard * elementBytes(entry.moment_dtype));
      if (member.master_offset != BM_NONE64)
        add(member.master_offset, shard * sizeof(float));
      // Scratch receives other ranks' gradients: it must be clear of everything above.
      const bm_rank &rank = plan.ranks()[member.rank];
      uint64_t shards = uint64_t(members.size()) * plan.header().replicas;
      if (shards > 1 && entry.bytes && rank.scratch_bytes / (shards - 1) < BM_SCRATCH_MIN)
        return fail("rank " + std::to_string(member.rank) + " has " +
                    std::to_string(rank.scratch_bytes) + " bytes of scratch, but a class of " +
                    std::to_string(shards) + " shards needs " +
                    std::to_string((shards - 1) * BM_SCRATCH_MIN));
    }
  }
  for (uint32_t r = 0; r < plan.header().ranks; ++r) {
    const bm_rank &rank = plan.ranks()[r];
    if (rank.scratch_bytes) {
      if (rank.scratch_offset % BM_REGION_ALIGN || rank.scratch_offset > rank.arena_bytes ||
          rank.scratch_bytes > rank.arena_bytes - rank.scratch_offset)
        return fail("scratch of rank " + std::to_string(r) + " lies outside its arena");
      regions[r].push_back({rank.scratch_offset, rank.scratch_offset + rank.scratch_bytes});
    }
    std::sort(regions[r].begin(), regions[r].end(),
              [](const Region &a, const Region &b) { return a.begin < b.begin; });
    for (size_t i = 1; i < regions[r].size(); ++i)
      if (regions[r][i].begin < regions[r][i - 1].end)
        return fail("parameters, gradients, optimizer state and scratch of rank " +
                    std::to_string(r) + " overlap at byte " + std::to_string(regions[r][i].begin));
  }
  return true;
}

} // namespace

std::optional<PlanView> PlanView::open(const void *data, size_t size, std::string &error) {
  Opener opener(static_cast<const unsigned char *>(data), size, error);
  if (!opener.header())
    return std::nullopt;
  PlanView plan(static_cast<const unsigned char *>(data));
  if (!opener.tables(plan) || !opener.named(plan) || !opener.classes(plan) ||
      !opener.params(plan) || !opener.regions(plan) || !checkPrograms(plan, error))
    return std::nullopt;
  return plan;
}

uint64_t PlanView::elements(const bm_class &entry) const {
  return entry.bytes / elementBytes(entry.dtype);
}

uint64_t PlanView::shardElements(const bm_class &entry) const {
  return elements(entry) / (entry.members.count * plan->replicas);
}

uint64_t PlanView::elements(const bm_range &range) const {
  uint64_t count = 1;
  for (int64_t dim : dims(range))
    count *= uint64_t(dim);
  return count;
}

uint64_t PlanView::bytes(const bm_input &input) const {
  return elements(input.dims) * elementBytes(input.dtype);
}

uint64_t PlanView::bytes(const bm_param &param) const {
  return elements(param.dims) * elementBytes(param.dtype);
}

uint64_t planChecksum(const void *image, size_t size) {
  constexpr size_t start = offsetof(bm_plan, checksum) + sizeof(bm_plan::checksum);
  return hash64(static_cast<const unsigned char *>(image) + start, size - start);
}

std::string counted(uint64_t count, const char *noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

std::string worldText(const PlanView &plan) {
  return counted(plan.header().replicas, "replica") + " x " +
         counted(plan.header().ranks, "pipeline rank");
}

std::string_view dtypeName(uint32_t dtype) {
  switch (dtype) {
  case BM_F32:
    return "float32";
  case BM_F16:
    return "float16";
  case BM_BF16:
    return "bfloat16";
  case BM_F64:
    return "float64";
  case BM_I64:
    return "int64";
  case BM_I32:
    return "int32";
  case BM_I16:
    return "int16";
  case BM_I8:
    return "int8";
  case BM_U8:
    return "uint8";
  case BM_BOOL:
    return "bool";
  default:
    return "?";
  }
}

} // namespace bigmac::rt
