#include "Weights.h"

#include "bigmac-rt/BFloat16.h"
#include "bigmac-rt/Error.h"
#include "bigmac-rt/PlanWriter.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <filesystem>

namespace bigmac::rt {

namespace fs = std::filesystem;

std::string findInitialWeights(const PlanView &plan, const std::string &executable) {
  fs::path named = fs::path(executable).parent_path() / plan.text(plan.header().weights_file);
  std::error_code ignored;
  if (plan.header().weights_file.size && fs::is_regular_file(named, ignored))
    return named.string();
  std::string renamed = executable + ".safetensors";
  if (fs::is_regular_file(renamed, ignored))
    return renamed;
  throw RuntimeError(
      "initial weights: expected " + named.string() +
      ", as the compiler wrote it beside this program, and it is not there; put it back or give "
      "weights with --init");
}

void checkFingerprint(const SafetensorsFile &file, const PlanView &plan) {
  if (file.size() != plan.header().weights_size ||
      file.headerHash() != plan.header().weights_header_hash)
    throw RuntimeError(
        "initial weights: " + file.path() +
        " is not the file that was compiled with this program (expected " +
        std::to_string(plan.header().weights_size) + " bytes, found " +
        std::to_string(file.size()) +
        ", or other tensors); compile again, or name it with --init to use it as it is");
}

static float fromHalf(uint16_t half) {
  uint32_t sign = uint32_t(half & 0x8000) << 16, exponent = half >> 10 & 31, mantissa = half & 1023;
  if (exponent == 0) // zero and subnormals: mantissa * 2^-24
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(float(mantissa) * 0x1p-24f));
  exponent = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | exponent << 23 | mantissa << 13);
}

/// `count` numbers of a file's type as float.
static void widen(std::string_view dtype, const unsigned char *source, float *target,
                  uint64_t count) {
  if (dtype == "F32") {
    std::memcpy(target, source, count * sizeof(float));
    return;
  }
  for (uint64_t i = 0; i < count; ++i) {
    if (dtype == "F64") {
      double value;
      std::memcpy(&value, source + 8 * i, 8);
      target[i] = static_cast<float>(value);
      continue;
    }
    uint16_t value;
    std::memcpy(&value, source + 2 * i, 2);
    target[i] = dtype == "F16" ? fromHalf(value) : fromBFloat16(value);
  }
}

static bool convertible(const std::string &found, uint32_t wanted) {
  return (wanted == BM_F32 || wanted == BM_BF16) &&
         (found == "F32" || found == "F16" || found == "BF16" || found == "F64");
}

namespace {

/// Uploads tensors of a file as another type.
class Converter {
public:
  Converter(const SafetensorsFile &file, Device &device) : file(file), device(device) {}

  /// Elements [begin, begin + count) of `tensor` as `type`, BM_F32 or BM_BF16, to `offset`.
  void upload(const TensorInfo &tensor, uint64_t begin, uint64_t count, uint64_t offset,
              uint32_t type) {
    uint64_t all = 1;
    for (int64_t dim : tensor.shape)
      all *= static_cast<uint64_t>(dim);
    uint64_t width = (tensor.end - tensor.begin) / all;
    for (uint64_t done = 0; done < count; done += kBlock) {
      uint64_t n = std::min(kBlock, count - done);
      wide.resize(n);
      widen(tensor.dtype, file.data(tensor) + (begin + done) * width, wide.data(), n);
      if (type == BM_F32) {
        device.upload(offset + done * sizeof(float), wide.data(), n * sizeof(float));
        continue;
      }
      narrow.resize(n);
      std::transform(wide.begin(), wide.end(), narrow.begin(), toBFloat16);
      device.upload(offset + done * sizeof(uint16_t), narrow.data(), n * sizeof(uint16_t));
    }
  }

private:
  static constexpr uint64_t kBlock = 1 << 16;

  const SafetensorsFile &file;
  Device &device;
  std::vector<float> wide;
  std::vector<uint16_t> narrow;
};

} // namespace

size_t loadWeights(const SafetensorsFile &file, const PlanView &plan, const Holdings &holdings,
                   Device &device) {
  std::string problems;
  for (const bm_param &param : plan.params()) {
    const TensorInfo *tensor = file.find(plan.text(param.name));
    auto dims = plan.dims(param.dims);
    if (tensor &&
        std::equal(dims.begin(), dims.end(), tensor->shape.begin(), tensor->shape.end()) &&
        (tensor->dtype == safetensorsType(param.dtype) || convertible(tensor->dtype, param.dtype)))
      continue;
    problems += "\n  '" + std::string(plan.text(param.name)) + "': expected " +
                describe(safetensorsType(param.dtype), dims) + ", found " +
                (tensor ? describe(tensor->dtype, tensor->shape) : "no such tensor");
  }
  if (!problems.empty())
    throw RuntimeError("weights: " + file.path() + " does not fit this model:" + problems);

  Converter converter(file, device);
  for (const HeldParam &held : holdings.params) {
    const bm_param &param = plan.params()[held.param];
    const TensorInfo &tensor = *file.find(plan.text(param.name));
    if (tensor.dtype == safetensorsType(param.dtype)) {
      device.upload(held.offset, file.data(tensor), tensor.end - tensor.begin);
      continue;
    }
    converter.upload(tensor, 0, plan.elements(param.dims), held.offset, param.dtype);
  }
  // Of the numbers before they are rounded.
  for (const Segment &s : holdings.segments)
    if (s.hasMaster())
      converter.upload(*file.find(plan.text(plan.params()[s.param].name)), s.begin, s.at.elements,
                       s.at.master, BM_F32);
  return file.tensors().size() - plan.params().size();
}

} // namespace bigmac::rt
