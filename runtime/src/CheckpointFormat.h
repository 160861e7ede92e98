//===- CheckpointFormat.h - The files of a checkpoint ---------------------===//

#ifndef BIGMAC_RT_CHECKPOINTFORMAT_H
#define BIGMAC_RT_CHECKPOINTFORMAT_H

#include "Checkpoint.h"
#include "Safetensors.h"

namespace bigmac::rt {

inline constexpr const char *kModelFile = "model.safetensors";
inline constexpr const char *kOptimizerFile = "optimizer.safetensors";
inline constexpr const char *kStateFile = "state.json";
inline constexpr uint64_t kHashBlock = 16 << 20;

/// Every parameter, in plan order.
SafetensorsLayout modelLayout(const PlanView &plan);

/// Both moments of every trained parameter, and its master copy where it has one. `first` gets, for
/// each parameter of the plan, the index of its exp_avg in the layout (exp_avg_sq and master
/// follow), or SIZE_MAX for frozen ones.
SafetensorsLayout optimizerLayout(const PlanView &plan, std::vector<size_t> &first);

/// hash64 of each block (kHashBlock bytes) whose index is `rank` modulo `ranks`.
std::vector<std::pair<uint64_t, uint64_t>> hashBlocks(const std::string &path, uint64_t bytes,
                                                      uint32_t rank, uint32_t ranks);

std::string hex(uint64_t value);

/// Text of a state.json with its own hash put in, and back: throws RuntimeError on any damage.
std::string sealState(nlohmann::json state);
nlohmann::json openState(const std::string &text);

} // namespace bigmac::rt

#endif // BIGMAC_RT_CHECKPOINTFORMAT_H
