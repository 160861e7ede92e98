//===- PlanWriter.h - Builds a plan image ---------------------------------===//
//
// For the compiler and for tests. Needs nothing but the standard library; throws nothing of its
// own. plan.h says what each field means. finish() checks the whole image as the runtime will
// (PlanView.h), so an image that finish() returns is one that the runtime opens.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_RT_PLANWRITER_H
#define BIGMAC_RT_PLANWRITER_H

#include "bigmac-rt/plan.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace bigmac::rt {

/// The action an instruction belongs to; for traces and error messages.
struct ActionLabel {
  bm_component component = BM_NO_COMPONENT;
  bm_phase phase = BM_NO_PHASE;
  int32_t chunk = -1;
  int32_t microbatch = -1;
  int32_t unit = -1;
};

/// Bytes of a trained class that holds `bytes` bytes of parameters, padded so that it cuts evenly
/// into `members * replicas` shards of a multiple of BM_SHARD_ALIGN elements.
uint64_t paddedClassBytes(uint64_t bytes, uint32_t members, uint32_t replicas,
                          bm_dtype type = BM_F32);

/// Whether weight decay applies to a parameter of so many dimensions.
constexpr bool decays(size_t dims) { return dims >= 2; }

/// Bytes of one shard of a trained class.
uint64_t shardBytes(uint64_t classBytes, uint32_t members, uint32_t replicas);

/// Bytes of one element; 0 for an unknown type.
uint64_t elementBytes(uint32_t dtype);

/// Of a trained class: parameters, gradients, optimizer moments.
struct ClassTypes {
  bm_dtype value = BM_F32, gradient = BM_F32, moment = BM_F32;
};

class PlanWriter;

/// Appends the instructions of one pipeline rank, in the order in which they run.
class RankWriter {
public:
  void setArena(uint64_t bytes) { rank.arena_bytes = bytes; }
  /// Bytes of the host's memory that offload() and fetch() use.
  void setHost(uint64_t bytes) { rank.host_bytes = bytes; }
  void setMemory(bm_memory what, uint64_t bytes) { rank.memory[what] = bytes; }
  /// bm_rank.scratch_*: free after the last instruction.
  void setScratch(uint64_t offset, uint64_t bytes);

  void loadInput(uint32_t input, int32_t microbatch, uint64_t offset,
                 const ActionLabel &label = {});
  void run(uint32_t task, const std::vector<uint64_t> &args, const ActionLabel &label);
  void send(int32_t peer, uint32_t tag, uint64_t offset, uint64_t bytes, uint32_t slot,
            const ActionLabel &label = {});
  void recv(int32_t peer, uint32_t tag, uint64_t offset, uint64_t bytes, uint32_t slot,
            const ActionLabel &label = {});
  void offload(uint64_t offset, uint64_t host, uint64_t bytes, uint32_t slot,
               const ActionLabel &label = {});
  void fetch(uint64_t host, uint64_t offset, uint64_t bytes, uint32_t slot,
             const ActionLabel &label = {});
  void wait(uint32_t slot, const ActionLabel &label = {});
  void zero(uint64_t offset, uint64_t bytes, const ActionLabel &label = {});
  void record(uint32_t scalar, int32_t microbatch, uint64_t offset, const ActionLabel &label = {});
  void copy(uint64_t offset, uint64_t source, uint64_t bytes, const ActionLabel &label = {});

private:
  friend class PlanWriter;
  RankWriter() = default;
  bm_instr &append(bm_op op, const ActionLabel &label);

  bm_rank rank{};
  std::vector<bm_instr> instrs;
  /// Argument lists of this rank; equal lists (buffers rotate) are stored once.
  std::vector<uint64_t> args;
  std::unordered_map<std::string, uint64_t> argIndex;
};

class PlanWriter {
public:
  /// `ranks`: pipeline ranks P; `replicas`: D; `microbatches`: M per replica; `samples` in each.
  PlanWriter(uint32_t ranks, uint32_t replicas, uint32_t microbatches, uint32_t samples);

  void setModel(std::string_view name, uint64_t hash);
  void setTarget(std::string_view target);
  void setCompiler(std::string_view compiler, std::string_view options);
  /// The initial weights: base name, size, and hash64 of the first 8 + N bytes of that file.
  void setWeights(std::string_view file, uint64_t size, uint64_t headerHash);

  /// Returns the input's index. [low, high] is the range of integer values allowed; low > high:
  /// any.
  uint32_t addInput(std::string_view name, bm_dtype dtype, const std::vector<int64_t> &dims,
                    int64_t low = 0, int64_t high = -1);
  /// Returns the class's index. `members` by increasing rank.
  uint32_t addClass(bm_class_kind kind, uint64_t bytes, const std::vector<bm_member> &members,
                    const ClassTypes &types = {});
  static bm_member frozenMember(uint32_t rank, uint64_t paramOffset);
  static bm_member trainedMember(uint32_t rank, uint64_t paramOffset, uint64_t gradOffset,
                                 uint64_t mOffset, uint64_t vOffset,
                                 uint64_t masterOffset = BM_NONE64);
  uint32_t addParameter(std::string_view name, bm_dtype dtype, const std::vector<int64_t> &dims,
                        uint32_t classIndex, uint64_t position);
  /// Returns the task's index, which is its index in bm_task_table as well.
  uint32_t addTask(std::string_view name, const std::vector<uint64_t> &argBytes,
                   bm_component component, bm_phase phase, int32_t stage = -1);
  uint32_t addScalar(std::string_view name, uint32_t flags = 0);

  RankWriter &rank(uint32_t pipelineRank) { return ranks[pipelineRank]; }

  /// The image, or nothing and a message in `error`. The same calls give the same bytes.
  std::optional<std::vector<unsigned char>> finish(std::string &error) const;

private:
  struct Named {
    std::string name;
    std::vector<int64_t> dims;
  };

  bm_plan header{};
  std::string model, target = "cpu", compiler, options, weightsFile;
  std::vector<std::pair<Named, bm_input>> inputs;
  std::vector<std::pair<Named, bm_param>> params;
  std::vector<std::pair<std::vector<bm_member>, bm_class>> classes;
  struct Task {
    std::string name;
    std::vector<uint64_t> argBytes;
    bm_task task;
  };
  std::vector<Task> tasks;
  std::vector<std::pair<std::string, bm_scalar>> scalars;
  std::vector<RankWriter> ranks;
};

} // namespace bigmac::rt

#endif // BIGMAC_RT_PLANWRITER_H
