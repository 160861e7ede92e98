#include "Checkpoint.h"

#include "CheckpointFormat.h"
#include "Files.h"
#include "Together.h"
#include "Weights.h"
#include "bigmac-rt/BFloat16.h"
#include "bigmac-rt/Error.h"
#include "bigmac-rt/PlanWriter.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <sstream>
#include <unistd.h>

namespace bigmac::rt {

namespace fs = std::filesystem;
using nlohmann::json;

static constexpr const char *kTempPrefix = ".tmp-bigmac-";

void prepareCheckpoints(const Run &run, const std::string &folder) {
  together(run.comm, [&] {
    if (run.comm.rank() != 0)
      return;
    std::error_code error;
    fs::create_directories(folder, error);
    if (error)
      throw RuntimeError("--save: cannot make the folder " + folder + ": " + error.message());
    checkWritable(folder);
    for (const fs::directory_entry &entry : fs::directory_iterator(folder))
      if (entry.path().filename().string().starts_with(kTempPrefix))
        fs::remove_all(entry.path(), error);
  });
  together(run.comm, [&] { checkWritable(folder); });
}

//===----------------------------------------------------------------------===//
// Saving
//===----------------------------------------------------------------------===//

static void writeSegments(const Run &run, const std::string &temp) {
  SafetensorsLayout model = modelLayout(run.plan);
  std::vector<size_t> first;
  SafetensorsLayout optimizer = optimizerLayout(run.plan, first);
  RangeWriter modelFile(temp + "/" + kModelFile), optimizerFile(temp + "/" + kOptimizerFile);
  for (const Segment &s : run.holdings.segments) {
    auto write = [&](RangeWriter &file, uint64_t position, uint64_t offset, bm_dtype type) {
      uint64_t width = elementBytes(type);
      file.write(position + s.begin * width, run.device, offset, s.at.elements * width);
    };
    write(modelFile, model.position(s.param), s.at.param, s.at.paramType);
    if (!s.trained)
      continue;
    size_t state = first[s.param];
    write(optimizerFile, optimizer.position(state), s.at.m, s.at.momentType);
    write(optimizerFile, optimizer.position(state + 1), s.at.v, s.at.momentType);
    if (s.hasMaster())
      write(optimizerFile, optimizer.position(state + 2), s.at.master, BM_F32);
  }
  modelFile.sync();
  optimizerFile.sync();
}

/// Rank 0: {"size": bytes, "block": bytes, "xxh64": [...]} from every rank's "INDEX HASH" lines.
static json joinHashes(const std::vector<std::string> &texts, uint64_t bytes) {
  std::vector<std::string> hashes((bytes + kHashBlock - 1) / kHashBlock);
  for (const std::string &text : texts) {
    std::istringstream in(text);
    uint64_t index = 0;
    std::string value;
    while (in >> index >> value)
      hashes.at(index) = value;
  }
  return {{"size", bytes}, {"block", kHashBlock}, {"xxh64", hashes}};
}

static json hashFile(const Run &run, const std::string &path, uint64_t bytes,
                     std::string &failure) {
  std::string mine;
  failure = tryTogether(run.comm, [&] {
    for (auto [index, hash] : hashBlocks(path, bytes, run.comm.rank(), run.comm.size()))
      mine += std::to_string(index) + " " + hex(hash) + "\n";
  });
  if (!failure.empty())
    return {};
  auto texts = run.comm.gather(mine);
  return run.comm.rank() == 0 ? joinHashes(texts, bytes) : json();
}

static json describeState(const Run &run, const Progress &progress, const json &options) {
  const bm_plan &h = run.plan.header();
  auto now = std::chrono::system_clock::now().time_since_epoch();
  return {{"format", "bigmac-checkpoint"},
          {"version", 1},
          {"saved_at_ns", std::chrono::duration_cast<std::chrono::nanoseconds>(now).count()},
          {"model", run.plan.text(h.model)},
          {"model_hash", hex(h.model_hash)},
          {"world",
           {{"ranks", h.ranks},
            {"replicas", h.replicas},
            {"microbatches", h.microbatches},
            {"samples", h.samples}}},
          {"step", progress.step},
          {"optimizer_steps", progress.optimizerSteps},
          {"skipped_in_a_row", progress.skippedInARow},
          {"data", {{"epoch", progress.epoch}, {"sample", progress.position}}},
          {"options", options}};
}

/// The one moment at which the checkpoint comes to be.
static void publish(const std::string &folder, const std::string &temp, const std::string &name) {
  std::string target = folder + "/" + name;
  // An older checkpoint of this step changes places with the new one: there is always one or the
  // other.
  if (renameat2(AT_FDCWD, temp.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) == 0) {
    syncFolder(folder);
    fs::remove_all(temp);
  } else {
    std::error_code ignored;
    if (errno != ENOENT)
      fs::remove_all(target, ignored);
    if (rename(temp.c_str(), target.c_str()) != 0)
      throw RuntimeError("cannot rename " + temp + " to " + systemError(target, errno));
    syncFolder(folder);
  }
  std::string link = folder + "/" + kTempPrefix + "latest-" + std::to_string(getpid());
  unlink(link.c_str());
  std::string latest = folder + "/latest";
  if (symlink(name.c_str(), link.c_str()) != 0 || rename(link.c_str(), latest.c_str()) != 0)
    throw RuntimeError("cannot make the link " + systemError(latest, errno));
  syncFolder(folder);
}

void saveCheckpoint(const Run &run, const std::string &folder, const Progress &progress,
                    const json &options) {
  bool root = run.comm.rank() == 0;
  std::string name = "step-" + std::to_string(progress.step);
  std::string temp =
      run.comm.broadcast(folder + "/" + kTempPrefix + name + "-" + std::to_string(getpid()));
  SafetensorsLayout model = modelLayout(run.plan);
  std::vector<size_t> first;
  SafetensorsLayout optimizer = optimizerLayout(run.plan, first);

  run.comm.setOperation("saving a checkpoint");
  std::string failure = tryTogether(run.comm, [&] {
    if (!root)
      return;
    fs::remove_all(temp);
    fs::create_directory(temp);
    createFile(temp + "/" + kModelFile, model.header(), model.fileSize());
    createFile(temp + "/" + kOptimizerFile, optimizer.header(), optimizer.fileSize());
  });
  if (failure.empty())
    failure = tryTogether(run.comm, [&] { writeSegments(run, temp); });
  json files;
  if (failure.empty())
    files[kModelFile] = hashFile(run, temp + "/" + kModelFile, model.fileSize(), failure);
  if (failure.empty())
    files[kOptimizerFile] =
        hashFile(run, temp + "/" + kOptimizerFile, optimizer.fileSize(), failure);
  if (failure.empty())
    failure = tryTogether(run.comm, [&] {
      if (!root)
        return;
      json state = describeState(run, progress, options);
      state["files"] = files;
      writeFile(temp + "/" + kStateFile, sealState(state));
      syncFolder(temp);
      publish(folder, temp, name);
    });
  if (failure.empty()) {
    run.say("saved " + folder + "/" + name);
    return;
  }
  if (root) {
    std::error_code ignored;
    fs::remove_all(temp, ignored);
    printError("error: checkpoint " + folder + "/" + name + " was not written: " + failure);
  }
  throw Exit{1};
}

void saveGradients(const Run &run, const std::string &path, double factor) {
  std::vector<SafetensorsLayout::Tensor> tensors;
  std::vector<size_t> index(run.plan.params().size());
  for (size_t p = 0; p < index.size(); ++p) {
    const bm_param &param = run.plan.params()[p];
    if (run.plan.classes()[param.class_index].kind != BM_CLASS_TRAINED)
      continue;
    auto dims = run.plan.dims(param.dims);
    index[p] = tensors.size();
    tensors.push_back({std::string(run.plan.text(param.name)), BM_F32, {dims.begin(), dims.end()}});
  }
  SafetensorsLayout layout(tensors);
  std::string temp = path + ".tmp";
  together(run.comm, [&] {
    if (run.comm.rank() != 0)
      return;
    unlink(temp.c_str());
    createFile(temp, layout.header(), layout.fileSize());
  });
  together(run.comm, [&] {
    RangeWriter file(temp);
    for (const Segment &s : run.holdings.segments) {
      if (!s.trained)
        continue;
      std::vector<float> values(s.at.elements);
      if (s.at.gradType == BM_F32) {
        run.device.download(values.data(), s.at.grad, values.size() * sizeof(float));
        run.device.synchronize();
      } else {
        std::vector<uint16_t> narrow(values.size());
        run.device.download(narrow.data(), s.at.grad, narrow.size() * sizeof(uint16_t));
        run.device.synchronize();
        std::transform(narrow.begin(), narrow.end(), values.begin(), fromBFloat16);
      }
      for (float &value : values)
        value *= static_cast<float>(factor);
      file.write(layout.position(index[s.param]) + s.begin * sizeof(float), values.data(),
                 values.size() * sizeof(float));
    }
    file.sync();
  });
  together(run.comm, [&] {
    if (run.comm.rank() == 0 && rename(temp.c_str(), path.c_str()) != 0)
      throw RuntimeError("cannot rename " + temp + " to " + systemError(path, errno));
  });
}

} // namespace bigmac::rt
