#include "CheckpointFormat.h"

#include "bigmac-rt/Error.h"
#include "bigmac-rt/Hash.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <unistd.h>

namespace bigmac::rt {

static SafetensorsLayout::Tensor tensorOf(const PlanView &plan, const bm_param &param,
                                          uint32_t dtype, const std::string &suffix = "") {
  auto dims = plan.dims(param.dims);
  return {std::string(plan.text(param.name)) + suffix, dtype, {dims.begin(), dims.end()}};
}

SafetensorsLayout modelLayout(const PlanView &plan) {
  std::vector<SafetensorsLayout::Tensor> tensors;
  for (const bm_param &param : plan.params())
    tensors.push_back(tensorOf(plan, param, param.dtype));
  return SafetensorsLayout(tensors);
}

SafetensorsLayout optimizerLayout(const PlanView &plan, std::vector<size_t> &first) {
  std::vector<SafetensorsLayout::Tensor> tensors;
  for (const bm_param &param : plan.params()) {
    const bm_class &entry = plan.classes()[param.class_index];
    if (entry.kind != BM_CLASS_TRAINED) {
      first.push_back(SIZE_MAX);
      continue;
    }
    first.push_back(tensors.size());
    tensors.push_back(tensorOf(plan, param, entry.moment_dtype, ".exp_avg"));
    tensors.push_back(tensorOf(plan, param, entry.moment_dtype, ".exp_avg_sq"));
    if (plan.members(entry)[0].master_offset != BM_NONE64)
      tensors.push_back(tensorOf(plan, param, BM_F32, ".master"));
  }
  return SafetensorsLayout(tensors);
}

std::vector<std::pair<uint64_t, uint64_t>> hashBlocks(const std::string &path, uint64_t bytes,
                                                      uint32_t rank, uint32_t ranks) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    throw RuntimeError("cannot open " + systemError(path, errno));
  std::vector<std::pair<uint64_t, uint64_t>> hashes;
  std::vector<unsigned char> block;
  int error = 0;
  for (uint64_t i = rank; i * kHashBlock < bytes && !error; i += ranks) {
    uint64_t size = std::min(kHashBlock, bytes - i * kHashBlock), done = 0;
    block.resize(size);
    while (done < size) {
      ssize_t n = pread(fd, block.data() + done, size - done, i * kHashBlock + done);
      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0) {
        error = n < 0 ? errno : EIO;
        break;
      }
      done += n;
    }
    hashes.push_back({i, hash64(block.data(), size)});
  }
  close(fd);
  if (error)
    throw RuntimeError("cannot read " + systemError(path, error));
  return hashes;
}

std::string hex(uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(value));
  return text;
}

std::string sealState(nlohmann::json state) {
  state.erase("checksum");
  std::string body = state.dump();
  state["checksum"] = hex(hash64(body.data(), body.size()));
  return state.dump(1) + "\n";
}

nlohmann::json openState(const std::string &text) {
  nlohmann::json state = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!state.is_object() || !state.contains("checksum") || !state["checksum"].is_string())
    throw RuntimeError("state.json is damaged (not a JSON object with a checksum)");
  std::string checksum = state["checksum"];
  state.erase("checksum");
  std::string body = state.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (checksum != hex(hash64(body.data(), body.size())))
    throw RuntimeError("state.json is damaged (its checksum does not match)");
  if (state.value("format", "") != "bigmac-checkpoint" || state.value("version", 0) != 1)
    throw RuntimeError("state.json is of another format or version");
  return state;
}

} // namespace bigmac::rt
