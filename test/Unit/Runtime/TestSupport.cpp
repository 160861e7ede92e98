#include "TestSupport.h"

#include "bigmac-rt/Device.h"

#include "Safetensors.h"
#include "bigmac-rt/Hash.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

namespace bigmac::test {

namespace fs = std::filesystem;

static std::string makeTempDir() {
  std::string name = (fs::temp_directory_path() / "bigmac-rt-XXXXXX").string();
  if (!mkdtemp(name.data()))
    throw std::runtime_error("mkdtemp");
  return name;
}

TempDir::TempDir() : path(makeTempDir()) {}
TempDir::~TempDir() {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

void writeBytes(const std::string &path, const std::string &bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), bytes.size());
  if (!out.flush())
    throw std::runtime_error("cannot write " + path);
}

std::string readBytes(const std::string &path) {
  std::ifstream in(path, std::ios::binary);
  if (!in)
    throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string writeTensors(const std::string &path, const Tensors &tensors) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  std::string body;
  for (const auto &[name, t] : tensors) {
    header[name] = {{"dtype", t.dtype},
                    {"shape", t.shape},
                    {"data_offsets", {body.size(), body.size() + t.bytes.size()}}};
    body += t.bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  uint64_t length = text.size();
  std::string head(reinterpret_cast<const char *>(&length), 8);
  head += text;
  writeBytes(path, head + body);
  return head;
}

Tensors readTensors(const std::string &path) {
  rt::SafetensorsFile file(path);
  Tensors result;
  for (const auto &[name, info] : file.tensors())
    result[name] = {
        info.dtype, info.shape,
        std::string(reinterpret_cast<const char *>(file.data(info)), info.end - info.begin)};
  return result;
}

std::string headerHash(const std::string &header) {
  return std::to_string(rt::hash64(header.data(), header.size()));
}

Result execute(const std::vector<std::string> &command, const std::vector<std::string> &env) {
  TempDir dir;
  auto begin = std::chrono::steady_clock::now();
  pid_t child = fork();
  if (child == 0) {
    if (!freopen((dir / "out").c_str(), "w", stdout) ||
        !freopen((dir / "err").c_str(), "w", stderr))
      _exit(126);
    // A program that is a test itself runs all of it, whatever part this process runs.
    for (const char *name : {"GTEST_TOTAL_SHARDS", "GTEST_SHARD_INDEX", "GTEST_OUTPUT"})
      unsetenv(name);
    for (const std::string &entry : env) {
      size_t equals = entry.find('=');
      setenv(entry.substr(0, equals).c_str(), entry.substr(equals + 1).c_str(), 1);
    }
    // What hangs is ended; mpirun ends its ranks.
    std::vector<std::string> limited = {"timeout", "--kill-after=10", "300"};
    limited.insert(limited.end(), command.begin(), command.end());
    std::vector<char *> argv;
    for (const std::string &arg : limited)
      argv.push_back(const_cast<char *>(arg.c_str()));
    argv.push_back(nullptr);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), readBytes(dir / "out"),
          readBytes(dir / "err"), elapsed.count()};
}

Result executeApart(int np, const std::vector<std::string> &command,
                    const std::vector<std::string> &env) {
  static int runs = 0;
  std::string script = "i=0; pids=; while [ $i -lt " + std::to_string(np) +
                       " ]; do RANK=$i \"$@\" & pids=\"$pids $!\"; i=$((i+1)); done; status=0; "
                       "for p in $pids; do wait $p || { s=$?; [ $s -gt $status ] && status=$s; }; "
                       "done; exit $status";
  std::vector<std::string> all = {"sh", "-c", script, "sh"};
  all.insert(all.end(), command.begin(), command.end());
  // Ports apart from those of other tests on this machine.
  int port = 20000 + (getpid() * 32 + 16 * runs++) % 30000;
  std::vector<std::string> variables = {
      "WORLD_SIZE=" + std::to_string(np), "LOCAL_WORLD_SIZE=" + std::to_string(np),
      "MASTER_ADDR=localhost", "MASTER_PORT=" + std::to_string(port), "TORCHELASTIC_RUN_ID=test"};
  variables.insert(variables.end(), env.begin(), env.end());
  return execute(all, variables);
}

/// Numbers in (-1, 1) that look random and are the same everywhere.
static float noise(uint64_t seed, uint64_t i) {
  uint64_t x = (seed * 0x9E3779B97F4A7C15u) ^ (i * 0xD1B54A32D192ED03u);
  x = (x ^ (x >> 32)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 29)) * 0x94D049BB133111EBu;
  return static_cast<float>(static_cast<double>(x >> 40) / (1 << 23) - 1);
}

static Tensor noiseTensor(const std::vector<int64_t> &shape, uint64_t seed, float scale,
                          float shift = 0, uint64_t first = 0) {
  size_t count = 1;
  for (int64_t dim : shape)
    count *= dim;
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i)
    values[i] = noise(seed, first + i) * scale + shift;
  return tensor("F32", shape, values);
}

Tensors fixtureWeights(uint32_t ranks) {
  constexpr int64_t n = fixture::kWidth;
  Tensors weights = {{"scale", noiseTensor({n}, 1, 0.3f, 1)},
                     {"embed.weight", noiseTensor({n, n}, 2, 0.6f)},
                     {"offset", noiseTensor({n}, 3, 0.5f)},
                     {"table", tensor<int64_t>("I64", {3}, {7, 8, 9})}};
  for (uint32_t r = 0; r < ranks; ++r) {
    std::string name = "stages." + std::to_string(r);
    weights[name + ".weight"] = noiseTensor({n, n}, 10 + r, 0.6f);
    weights[name + ".bias"] = noiseTensor({n}, 20 + r, 0.2f);
  }
  return weights;
}

Tensors fixtureData(uint64_t samples, bool weighted, uint64_t first) {
  constexpr int64_t n = fixture::kWidth;
  auto count = static_cast<int64_t>(samples);
  std::vector<float> weight(samples, 0.5f);
  std::vector<int64_t> ids(samples * 4);
  for (uint64_t i = 0; i < samples; ++i) {
    if (weighted)
      weight[i] = 1 + (first + i) % 3;
    for (uint64_t j = 0; j < 4; ++j)
      ids[i * 4 + j] = (first + i + j) % 10;
  }
  return {{"x", noiseTensor({count, n}, 30, 1, 0, first * n)},
          {"target", noiseTensor({count, n}, 31, 1, 0, first * n)},
          {"weight", tensor("F32", {count}, weight)},
          {"ids", tensor("I64", {count, 4}, ids)}};
}

std::string fixtureVariable(const fixture::Shape &shape) {
  return "BM_FIXTURE=" + std::to_string(shape.ranks) + " " + std::to_string(shape.replicas) + " " +
         std::to_string(shape.microbatches) + " " + (shape.weighted ? "1" : "0") +
         (shape.offload ? " 1" : " 0");
}

std::string missingFor(const fixture::Shape &shape) {
#ifdef BM_WITH_CUDA
  const char *target = std::getenv("BM_FIXTURE_TARGET");
  uint32_t needed = shape.ranks * shape.replicas;
  std::string why = "too few GPUs";
  if (target && std::string(target) == "cuda" && rt::countCudaDevices(why) < needed)
    return why + "; needs " + std::to_string(needed);
#endif
  return "";
}

Result trainFixture(const fixture::Shape &shape, const std::vector<std::string> &args,
                    const std::vector<std::string> &env, int np) {
  int ranks = np >= 0 ? np : static_cast<int>(shape.ranks * shape.replicas);
  std::vector<std::string> command;
  if (ranks > 0 && !(np < 0 && ranks == 1))
    command = {"mpirun", "--oversubscribe", "-np", std::to_string(ranks)};
  command.push_back(BM_FIXTURE_PROGRAM);
  command.insert(command.end(), args.begin(), args.end());
  std::vector<std::string> all = {"OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1",
                                  fixtureVariable(shape)};
  all.insert(all.end(), env.begin(), env.end());
  return execute(command, all);
}

Job::Job(const fixture::Shape &shape, uint64_t samples)
    : shape(shape), data(fixtureData(samples, shape.weighted)) {
  fs::create_directory(dir / "data");
  // Cut where no step is cut.
  writeTensors(dir / "data/a.safetensors", fixtureData(7, shape.weighted));
  writeTensors(dir / "data/b.safetensors", fixtureData(samples - 7, shape.weighted, 7));
  writeTensors(dir / "w.safetensors", fixtureWeights(shape.ranks));
}

Result Job::train(std::vector<std::string> args, const std::vector<std::string> &env, int np) {
  args.insert(args.begin(), {"--data", dir / "data", "--timeout", timeout});
  return trainFixture(shape, args, env, np);
}

Result Job::start(std::vector<std::string> args, const std::vector<std::string> &env, int np) {
  args.insert(args.end(), {"--init", dir / "w.safetensors"});
  return train(args, env, np);
}

std::vector<nlohmann::json> readLog(const std::string &path) {
  std::istringstream in(readBytes(path));
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(in, line);)
    lines.push_back(nlohmann::json::parse(line));
  return lines;
}

} // namespace bigmac::test
