// Finding the newest whole checkpoint and loading it.

#include "Checkpoint.h"
#include "CheckpointFormat.h"
#include "Files.h"
#include "Together.h"
#include "Weights.h"
#include "bigmac-rt/Error.h"
#include "bigmac-rt/PlanWriter.h"

#include <algorithm>
#include <filesystem>

namespace bigmac::rt {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

struct Candidate {
  std::string path;
  std::string state; // text of state.json; empty if it is no good
  std::string problem;
  int64_t savedAt = 0;
};

Candidate inspect(const std::string &path) {
  Candidate candidate{path, "", "", 0};
  try {
    std::string text = readFile(path + "/" + kStateFile, 256 << 20);
    candidate.savedAt = openState(text).at("saved_at_ns").get<int64_t>();
    candidate.state = std::move(text);
  } catch (const std::exception &error) {
    candidate.problem = error.what();
  }
  return candidate;
}

/// Rank 0: the checkpoints in `folder`, newest first; damaged ones before those.
std::vector<Candidate> listCandidates(const std::string &folder) {
  if (fs::exists(folder + "/" + kStateFile))
    return {inspect(folder)};
  std::vector<Candidate> found;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (it->path().filename().string().starts_with("step-") && it->is_directory())
      found.push_back(inspect(it->path().string()));
  if (error)
    throw RuntimeError("--resume: cannot read " + folder + ": " + error.message());
  if (found.empty())
    throw RuntimeError("--resume: " + folder +
                       " has no checkpoint (a folder step-N with a state.json)");
  std::sort(found.begin(), found.end(), [](const Candidate &a, const Candidate &b) {
    if (a.state.empty() != b.state.empty())
      return a.state.empty();
    return a.savedAt != b.savedAt ? a.savedAt > b.savedAt : a.path < b.path;
  });
  return found;
}

/// This rank's part of comparing a file with its recorded size and hashes.
void verifyFile(const std::string &path, const json &entry, uint32_t rank, uint32_t ranks) {
  uint64_t bytes = entry.at("size"), have = fs::file_size(path);
  if (have != bytes)
    throw RuntimeError(path + " has " + std::to_string(have) + " bytes instead of " +
                       std::to_string(bytes));
  const json &hashes = entry.at("xxh64");
  if (entry.at("block") != kHashBlock || hashes.size() != (bytes + kHashBlock - 1) / kHashBlock)
    throw RuntimeError("state.json has another number of hashes than " + path + " has blocks");
  for (auto [index, hash] : hashBlocks(path, bytes, rank, ranks))
    if (hashes.at(index) != hex(hash))
      throw RuntimeError(path + " is damaged between bytes " + std::to_string(index * kHashBlock) +
                         " and " + std::to_string(std::min(bytes, (index + 1) * kHashBlock)));
}

void loadOptimizer(const SafetensorsFile &file, const Run &run) {
  auto fetch = [&](const Segment &s, const char *suffix, uint64_t offset, bm_dtype type) {
    const bm_param &param = run.plan.params()[s.param];
    std::string name = std::string(run.plan.text(param.name)) + suffix;
    const TensorInfo *tensor = file.find(name);
    uint64_t width = elementBytes(type);
    if (!tensor || tensor->dtype != safetensorsType(type) ||
        tensor->end - tensor->begin != run.plan.elements(param.dims) * width)
      throw RuntimeError("checkpoint: " + file.path() + ": expected tensor '" + name + "' " +
                         describe(safetensorsType(type), run.plan.dims(param.dims)) + ", found " +
                         (tensor ? describe(tensor->dtype, tensor->shape) : "no such tensor") +
                         "; was it saved by a program of another --precision or --master?");
    run.device.upload(offset, file.data(*tensor) + s.begin * width, s.at.elements * width);
  };
  for (const Segment &s : run.holdings.segments)
    if (s.trained) {
      fetch(s, ".exp_avg", s.at.m, s.at.momentType);
      fetch(s, ".exp_avg_sq", s.at.v, s.at.momentType);
      if (s.hasMaster())
        fetch(s, ".master", s.at.master, BM_F32);
    }
}

} // namespace

Progress loadCheckpoint(const Run &run, const std::string &folder, json &options) {
  bool root = run.comm.rank() == 0;
  std::vector<Candidate> candidates;
  together(run.comm, [&] {
    if (root)
      candidates = listCandidates(folder);
  });
  double count = candidates.size();
  run.comm.allMax({&count, 1});

  json state;
  std::string path;
  for (size_t i = 0; i < static_cast<size_t>(count) && path.empty(); ++i) {
    std::string where = run.comm.broadcast(root ? candidates[i].path : "");
    std::string text = run.comm.broadcast(root ? candidates[i].state : "");
    std::string problem = root ? candidates[i].problem : "";
    if (!text.empty())
      problem = tryTogether(run.comm, [&] {
        state = openState(text);
        for (const char *name : {kModelFile, kOptimizerFile})
          verifyFile(where + "/" + name, state.at("files").at(name), run.comm.rank(),
                     run.comm.size());
      });
    if (!text.empty() && problem.empty())
      path = where;
    else if (root)
      printError("warning: checkpoint " + where + " is not whole and is passed over: " + problem);
  }
  together(run.comm, [&] {
    if (path.empty())
      throw RuntimeError("--resume: no whole checkpoint in " + folder);
  });

  Progress progress;
  together(run.comm, [&] {
    loadWeights(SafetensorsFile(path + "/" + kModelFile), run.plan, run.holdings, run.device);
    loadOptimizer(SafetensorsFile(path + "/" + kOptimizerFile), run);
    progress.step = state.at("step");
    progress.optimizerSteps = state.at("optimizer_steps");
    progress.skippedInARow = state.at("skipped_in_a_row");
    progress.epoch = state.at("data").at("epoch");
    progress.position = state.at("data").at("sample");
    options = state.at("options");
  });
  run.say("resumed from " + path);
  return progress;
}

} // namespace bigmac::rt
