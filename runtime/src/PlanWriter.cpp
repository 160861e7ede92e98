#include "bigmac-rt/PlanWriter.h"

#include "bigmac-rt/Hash.h"
#include "bigmac-rt/PlanView.h"

#include <cstring>

namespace bigmac::rt {

uint64_t elementBytes(uint32_t dtype) {
  switch (dtype) {
  case BM_F64:
  case BM_I64:
    return 8;
  case BM_F32:
  case BM_I32:
    return 4;
  case BM_F16:
  case BM_BF16:
  case BM_I16:
    return 2;
  case BM_I8:
  case BM_U8:
  case BM_BOOL:
    return 1;
  default:
    return 0;
  }
}

uint64_t paddedClassBytes(uint64_t bytes, uint32_t members, uint32_t replicas, bm_dtype type) {
  uint64_t unit = uint64_t(members) * replicas * BM_SHARD_ALIGN * elementBytes(type);
  return (bytes + unit - 1) / unit * unit;
}

uint64_t shardBytes(uint64_t classBytes, uint32_t members, uint32_t replicas) {
  return classBytes / (uint64_t(members) * replicas);
}

//===----------------------------------------------------------------------===//
// RankWriter
//===----------------------------------------------------------------------===//

void RankWriter::setScratch(uint64_t offset, uint64_t bytes) {
  rank.scratch_offset = offset;
  rank.scratch_bytes = bytes;
}

bm_instr &RankWriter::append(bm_op op, const ActionLabel &label) {
  bm_instr instr{};
  instr.op = op;
  instr.component = static_cast<uint8_t>(label.component);
  instr.phase = static_cast<uint8_t>(label.phase);
  instr.microbatch = label.microbatch;
  instr.chunk = label.chunk;
  instr.unit = label.unit;
  instr.peer = -1;
  instrs.push_back(instr);
  return instrs.back();
}

void RankWriter::loadInput(uint32_t input, int32_t microbatch, uint64_t offset,
                           const ActionLabel &label) {
  bm_instr &instr = append(BM_OP_LOAD_INPUT, label);
  instr.index = input;
  instr.microbatch = microbatch;
  instr.offset = offset;
}

void RankWriter::run(uint32_t task, const std::vector<uint64_t> &list, const ActionLabel &label) {
  bm_instr &instr = append(BM_OP_RUN, label);
  instr.index = task;
  std::string key(reinterpret_cast<const char *>(list.data()), list.size() * sizeof(uint64_t));
  auto [it, inserted] = argIndex.try_emplace(std::move(key), args.size());
  if (inserted)
    args.insert(args.end(), list.begin(), list.end());
  // An index until finish() turns it into the offset of the table.
  instr.u.args = {it->second, list.size()};
}

void RankWriter::send(int32_t peer, uint32_t tag, uint64_t offset, uint64_t bytes, uint32_t slot,
                      const ActionLabel &label) {
  bm_instr &instr = append(BM_OP_SEND, label);
  instr.peer = peer;
  instr.tag = tag;
  instr.offset = offset;
  instr.bytes = bytes;
  instr.slot = slot;
  rank.slots = std::max(rank.slots, slot + 1);
}

void RankWriter::recv(int32_t peer, uint32_t tag, uint64_t offset, uint64_t bytes, uint32_t slot,
                      const ActionLabel &label) {
  send(peer, tag, offset, bytes, slot, label);
  instrs.back().op = BM_OP_RECV;
}

void RankWriter::offload(uint64_t offset, uint64_t host, uint64_t bytes, uint32_t slot,
                         const ActionLabel &label) {
  bm_instr &instr = append(BM_OP_OFFLOAD, label);
  instr.offset = offset;
  instr.u.host = host;
  instr.bytes = bytes;
  instr.slot = slot;
  rank.slots = std::max(rank.slots, slot + 1);
}

void RankWriter::fetch(uint64_t host, uint64_t offset, uint64_t bytes, uint32_t slot,
                       const ActionLabel &label) {
  offload(offset, host, bytes, slot, label);
  instrs.back().op = BM_OP_FETCH;
}

void RankWriter::wait(uint32_t slot, const ActionLabel &label) {
  append(BM_OP_WAIT, label).slot = slot;
}

void RankWriter::zero(uint64_t offset, uint64_t bytes, const ActionLabel &label) {
  bm_instr &instr = append(BM_OP_ZERO, label);
  instr.offset = offset;
  instr.bytes = bytes;
}

void RankWriter::record(uint32_t scalar, int32_t microbatch, uint64_t offset,
                        const ActionLabel &label) {
  bm_instr &instr = append(BM_OP_RECORD, label);
  instr.index = scalar;
  instr.microbatch = microbatch;
  instr.offset = offset;
}

void RankWriter::copy(uint64_t offset, uint64_t source, uint64_t bytes, const ActionLabel &label) {
  bm_instr &instr = append(BM_OP_COPY, label);
  instr.offset = offset;
  instr.bytes = bytes;
  instr.u.source = source;
}

//===----------------------------------------------------------------------===//
// PlanWriter
//===----------------------------------------------------------------------===//

PlanWriter::PlanWriter(uint32_t rankCount, uint32_t replicas, uint32_t microbatches,
                       uint32_t samples) {
  std::memcpy(header.magic, BM_PLAN_MAGIC, sizeof(header.magic));
  header.version = BM_PLAN_VERSION;
  header.header_size = sizeof(bm_plan);
  header.ranks = rankCount;
  header.replicas = replicas;
  header.microbatches = microbatches;
  header.samples = samples;
  for (uint32_t r = 0; r < rankCount; ++r)
    ranks.push_back(RankWriter());
}

void PlanWriter::setModel(std::string_view name, uint64_t hash) {
  model = name;
  header.model_hash = hash;
}

void PlanWriter::setTarget(std::string_view name) { target = name; }

void PlanWriter::setCompiler(std::string_view name, std::string_view text) {
  compiler = name;
  options = text;
}

void PlanWriter::setWeights(std::string_view file, uint64_t size, uint64_t headerHash) {
  weightsFile = file;
  header.weights_size = size;
  header.weights_header_hash = headerHash;
}

uint32_t PlanWriter::addInput(std::string_view name, bm_dtype dtype,
                              const std::vector<int64_t> &dims, int64_t low, int64_t high) {
  bm_input input{};
  input.dtype = dtype;
  input.low = low;
  input.high = high;
  inputs.push_back({{std::string(name), dims}, input});
  return inputs.size() - 1;
}

uint32_t PlanWriter::addClass(bm_class_kind kind, uint64_t bytes,
                              const std::vector<bm_member> &members, const ClassTypes &types) {
  bm_class entry{};
  entry.kind = kind;
  entry.bytes = bytes;
  entry.dtype = types.value;
  entry.grad_dtype = types.gradient;
  entry.moment_dtype = types.moment;
  classes.push_back({members, entry});
  return classes.size() - 1;
}

bm_member PlanWriter::frozenMember(uint32_t rank, uint64_t paramOffset) {
  return {paramOffset, BM_NONE64, BM_NONE64, BM_NONE64, BM_NONE64, rank, 0};
}

bm_member PlanWriter::trainedMember(uint32_t rank, uint64_t paramOffset, uint64_t gradOffset,
                                    uint64_t mOffset, uint64_t vOffset, uint64_t masterOffset) {
  return {paramOffset, gradOffset, mOffset, vOffset, masterOffset, rank, 0};
}

uint32_t PlanWriter::addParameter(std::string_view name, bm_dtype dtype,
                                  const std::vector<int64_t> &dims, uint32_t classIndex,
                                  uint64_t position) {
  bm_param param{};
  param.dtype = dtype;
  param.class_index = classIndex;
  param.position = position;
  params.push_back({{std::string(name), dims}, param});
  return params.size() - 1;
}

uint32_t PlanWriter::addTask(std::string_view name, const std::vector<uint64_t> &argBytes,
                             bm_component component, bm_phase phase, int32_t stage) {
  bm_task task{};
  task.component = component;
  task.phase = phase;
  task.stage = stage;
  tasks.push_back({std::string(name), argBytes, task});
  return tasks.size() - 1;
}

uint32_t PlanWriter::addScalar(std::string_view name, uint32_t flags) {
  bm_scalar scalar{};
  scalar.flags = flags;
  scalars.push_back({std::string(name), scalar});
  return scalars.size() - 1;
}

namespace {

/// Appends tables and text to the image, each at a multiple of 8.
class Blob {
public:
  std::vector<unsigned char> bytes;

  uint64_t append(const void *data, size_t size) {
    uint64_t offset = bytes.size();
    bytes.resize((offset + size + 7) / 8 * 8);
    if (size)
      std::memcpy(bytes.data() + offset, data, size);
    return offset;
  }
  bm_string text(const std::string &value) {
    return {append(value.data(), value.size()), value.size()};
  }
  template <typename T> bm_range table(const std::vector<T> &values) {
    return {append(values.data(), values.size() * sizeof(T)), values.size()};
  }
};

} // namespace

std::optional<std::vector<unsigned char>> PlanWriter::finish(std::string &error) const {
  Blob blob;
  bm_plan plan = header;
  blob.append(&plan, sizeof(plan));
  plan.model = blob.text(model);
  plan.target = blob.text(target);
  plan.compiler = blob.text(compiler);
  plan.options = blob.text(options);
  plan.weights_file = blob.text(weightsFile);

  std::vector<bm_input> inputTable;
  for (const auto &[named, input] : inputs) {
    inputTable.push_back(input);
    inputTable.back().name = blob.text(named.name);
    inputTable.back().dims = blob.table(named.dims);
  }
  plan.inputs = blob.table(inputTable);

  std::vector<bm_param> paramTable;
  for (const auto &[named, param] : params) {
    paramTable.push_back(param);
    paramTable.back().name = blob.text(named.name);
    paramTable.back().dims = blob.table(named.dims);
  }
  plan.params = blob.table(paramTable);

  std::vector<bm_class> classTable;
  for (const auto &[members, entry] : classes) {
    classTable.push_back(entry);
    classTable.back().members = blob.table(members);
  }
  plan.classes = blob.table(classTable);

  std::vector<bm_task> taskTable;
  for (const Task &task : tasks) {
    taskTable.push_back(task.task);
    taskTable.back().name = blob.text(task.name);
    taskTable.back().arg_bytes = blob.table(task.argBytes);
  }
  plan.tasks = blob.table(taskTable);

  std::vector<bm_scalar> scalarTable;
  for (const auto &[name, scalar] : scalars) {
    scalarTable.push_back(scalar);
    scalarTable.back().name = blob.text(name);
  }
  plan.scalars = blob.table(scalarTable);

  std::vector<bm_rank> rankTable;
  for (const RankWriter &writer : ranks) {
    bm_rank rank = writer.rank;
    uint64_t args = blob.table(writer.args).offset;
    std::vector<bm_instr> instrs = writer.instrs;
    for (bm_instr &instr : instrs)
      if (instr.op == BM_OP_RUN)
        instr.u.args.offset = args + instr.u.args.offset * sizeof(uint64_t);
    rank.instrs = blob.table(instrs);
    rankTable.push_back(rank);
  }
  plan.rank_plans = blob.table(rankTable);

  plan.image_size = blob.bytes.size();
  std::memcpy(blob.bytes.data(), &plan, sizeof(plan));
  plan.checksum = planChecksum(blob.bytes.data(), blob.bytes.size());
  std::memcpy(blob.bytes.data(), &plan, sizeof(plan));

  if (!PlanView::open(blob.bytes.data(), blob.bytes.size(), error))
    return std::nullopt;
  return std::move(blob.bytes);
}

} // namespace bigmac::rt
