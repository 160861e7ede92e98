// cuDNN's fused attention, described through NVIDIA's cudnn_frontend, a library of headers, which
// puts the graphs together that cuDNN's kernels match.

#include "Attentions.h"

#include "../common/DynamicLibrary.h"
#include "LibraryCalls.h"
#include "TrialMemory.h"
#include "bigmac-rt/plan.h"
#include "kernels.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <vector>

// cuDNN and the CUDA runtime are loaded when a program with attention starts, not linked.
#define NV_CUDNN_FRONTEND_USE_DYNAMIC_LOADING
#include <cudnn_frontend.h>

namespace cudnn_frontend {
void *cudnn_dlhandle = nullptr;
}

namespace bigmac::rt {

namespace fe = cudnn_frontend;
using fe::graph::Graph;
using fe::graph::Tensor_attributes;
using Tensor = std::shared_ptr<Tensor_attributes>;

/// The tensors of a graph.
enum Uid : int64_t {
  kQ = 1,
  kK,
  kV,
  kMask,
  kO,
  kStats,
  kGradO,
  kGradQ,
  kGradK,
  kGradV,
};
using Pointers = std::unordered_map<int64_t, void *>;

/// Its errors can be pages about every engine that was considered.
static std::string shortened(std::string text) {
  constexpr size_t most = 500;
  if (text.size() > most)
    text = text.substr(0, most) + "...";
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

static void check(const fe::error_t &error, const std::string &what) {
  if (error.code != fe::error_code_t::OK)
    throw RuntimeError("cuDNN: " + what + ": " + shortened(error.err_msg));
}

/// Where the CUDA runtime has several versions here, cudnn_frontend complains unless it is told.
static void loadCudaRuntime() {
  for (const char *name : {"libcudart.so.13", "libcudart.so.12"})
    try {
      DynamicLibrary library(name, "");
      setenv("CUDNN_FRONTEND_CUDART_LIB_NAME", name, /*overwrite=*/0);
      return;
    } catch (const RuntimeError &) {
    }
  throw RuntimeError("this program's attention needs the CUDA runtime (libcudart.so.13 or .12) "
                     "beside cuDNN; install it and name its folder in LD_LIBRARY_PATH");
}

static void loadCudnn() {
  if (fe::cudnn_dlhandle)
    return;
  loadCudaRuntime();
  DynamicLibrary library("libcudnn.so.9",
                         "this program's attention needs cuDNN 9; install it (a package of NVIDIA "
                         "or the wheel nvidia-cudnn-cu13) and name its folder in LD_LIBRARY_PATH");
  fe::cudnn_dlhandle = library.native();
}

//===----------------------------------------------------------------------===//
// Graphs
//===----------------------------------------------------------------------===//

namespace {

/// Describes one attention to cuDNN.
class Description {
public:
  Description(const bm_cuda_attention &what, int smVersion) : what(what) {
    graph->set_io_data_type(type())
        .set_intermediate_data_type(fe::DataType_t::FLOAT)
        .set_compute_data_type(fe::DataType_t::FLOAT)
        .set_sm_version(smVersion);
  }

  std::shared_ptr<Graph> forward() {
    Tensor q = input(kQ, queries(), what.q_strides), k = input(kK, keys(), what.k_strides),
           v = input(kV, values(), what.v_strides);
    auto attributes = fe::graph::SDPA_attributes().set_name("attention").set_generate_stats(true);
    describe(attributes);
    auto [o, stats] = graph->sdpa(q, k, v, attributes);
    output(o, kO, results(), what.o_strides);
    output(stats, kStats, rows(), rowStrides());
    stats->set_data_type(fe::DataType_t::FLOAT);
    return graph;
  }

  std::shared_ptr<Graph> backward(bool deterministic) {
    Tensor q = input(kQ, queries(), what.q_strides), k = input(kK, keys(), what.k_strides),
           v = input(kV, values(), what.v_strides), o = input(kO, results(), what.o_strides),
           gradO = input(kGradO, results(), what.do_strides);
    Tensor stats = input(kStats, rows(), rowStrides());
    stats->set_data_type(fe::DataType_t::FLOAT);
    auto attributes = fe::graph::SDPA_backward_attributes()
                          .set_name("attention_backward")
                          .set_deterministic_algorithm(deterministic);
    describe(attributes);
    auto [gradQ, gradK, gradV] = graph->sdpa_backward(q, k, v, o, gradO, stats, attributes);
    output(gradQ, kGradQ, queries(), what.dq_strides);
    output(gradK, kGradK, keys(), what.dk_strides);
    output(gradV, kGradV, values(), what.dv_strides);
    return graph;
  }

private:
  using Sizes = std::array<int64_t, 4>;

  fe::DataType_t type() const {
    return what.type == BM_BF16 ? fe::DataType_t::BFLOAT16 : fe::DataType_t::HALF;
  }
  Sizes queries() const { return {what.batch, what.heads, what.queries, what.depth}; }
  Sizes keys() const { return {what.batch, what.kv_heads, what.keys, what.depth}; }
  Sizes values() const { return {what.batch, what.kv_heads, what.keys, what.value_depth}; }
  Sizes results() const { return {what.batch, what.heads, what.queries, what.value_depth}; }
  Sizes rows() const { return {what.batch, what.heads, what.queries, 1}; }
  Sizes rowStrides() const { return {what.heads * what.queries, what.queries, 1, 1}; }

  template <typename Strides> Tensor input(Uid uid, const Sizes &sizes, const Strides &strides) {
    return graph->tensor(Tensor_attributes()
                             .set_uid(uid)
                             .set_dim({std::begin(sizes), std::end(sizes)})
                             .set_stride({std::begin(strides), std::end(strides)})
                             .set_data_type(type()));
  }
  template <typename Strides>
  void output(const Tensor &tensor, Uid uid, const Sizes &sizes, const Strides &strides) {
    tensor->set_output(true)
        .set_uid(uid)
        .set_dim({std::begin(sizes), std::end(sizes)})
        .set_stride({std::begin(strides), std::end(strides)})
        .set_data_type(type());
  }

  template <typename Attributes> void describe(Attributes &attributes) {
    attributes.set_attn_scale(what.scale);
    if (what.causal) {
      // The same where there are as many queries as keys; a mask is only taken with the first.
      attributes.set_diagonal_alignment(what.queries == what.keys
                                            ? fe::DiagonalAlignment_t::TOP_LEFT
                                            : fe::DiagonalAlignment_t::BOTTOM_RIGHT);
      attributes.set_diagonal_band_right_bound(0);
    }
    if (what.has_mask) {
      Sizes sizes;
      std::copy(what.mask_sizes, what.mask_sizes + 4, sizes.begin());
      Tensor mask = input(kMask, sizes, what.mask_strides);
      attributes.set_bias(mask);
    }
  }

  const bm_cuda_attention &what;
  std::shared_ptr<Graph> graph = std::make_shared<Graph>();
};

} // namespace

static const std::vector<fe::HeurMode_t> kHeuristics = {fe::HeurMode_t::A};

//===----------------------------------------------------------------------===//
// Preparing
//===----------------------------------------------------------------------===//

struct Attentions::Prepared {
  bm_cuda_attention what;
  std::shared_ptr<Graph> forward, backward; // no backward without gradients
};

struct Attentions::Table {
  std::map<std::string, std::unique_ptr<Prepared>> distinct;
  std::vector<Prepared *> attentions; // by their index in the program
};

/// cuDNN on one device.
class Attentions::Library {
public:
  explicit Library(const CudaSpace &space) : space(space) {
    loadCudnn();
    check(fe::detail::create_handle(&handle), "starting");
    check(fe::detail::set_stream(handle, reinterpret_cast<cudaStream_t>(space.stream)),
          "setting its stream");
  }
  Library(const Library &) = delete;
  Library &operator=(const Library &) = delete;
  ~Library() { fe::detail::destroy_handle(handle); }

  void build(Graph &graph, const std::string &what) {
    rt::check(graph.build(handle, kHeuristics), what + " on " + space.title);
    int64_t bytes = 0;
    rt::check(graph.get_workspace_size(bytes), what);
    if (static_cast<uint64_t>(bytes) > space.workspaceBytes)
      throw RuntimeError("cuDNN: " + what + " needs " + std::to_string(bytes) +
                         " bytes of workspace on " + space.title + ", this program has " +
                         std::to_string(space.workspaceBytes) +
                         "; compile with --workspace=" + std::to_string(bytes) + " or more");
  }

  void run(const Graph &graph, Pointers pointers, const bm_cuda_attention &what) {
    rt::check(graph.execute(handle, pointers, reinterpret_cast<void *>(space.workspace)),
              describe(what) + " on " + space.title);
  }

private:
  void check(cudnnStatus_t code, const char *what) {
    if (code != CUDNN_STATUS_SUCCESS)
      throw RuntimeError("cuDNN: " + std::string(what) + " on " + space.title + ": " +
                         fe::detail::get_error_string(code) + " " +
                         fe::detail::get_last_error_string_());
  }

  const CudaSpace &space;
  cudnnHandle_t handle = nullptr;
};

Attentions::Attentions(const bm_cuda_program &program, const CudaSpace &space)
    : space(space), library(std::make_unique<Library>(this->space)),
      table(std::make_unique<Table>()) {
  for (uint64_t i = 0; i < program.attention_count; ++i) {
    const bm_cuda_attention &what = program.attentions[i];
    auto &prepared = table->distinct[keyOf(what)];
    if (!prepared) {
      prepared = std::make_unique<Prepared>(Prepared{what, nullptr, nullptr});
      prepared->forward = Description(prepared->what, space.smVersion).forward();
      library->build(*prepared->forward, describe(what));
      if (hasBackward(what)) {
        prepared->backward =
            Description(prepared->what, space.smVersion).backward(space.deterministic);
        library->build(*prepared->backward, "backward of " + describe(what));
      }
      tryOnce(*prepared);
    }
    table->attentions.push_back(prepared.get());
  }
}

Attentions::~Attentions() = default;

/// With whatever is in memory, to load kernels: that could not be done while a graph is recorded.
void Attentions::tryOnce(Prepared &attention) {
  const bm_cuda_attention &x = attention.what;
  uint64_t element = operandBytes(x.type);
  auto bytes = [&](int64_t heads, int64_t rows, int64_t columns, const int64_t (&strides)[4]) {
    return static_cast<uint64_t>((x.batch - 1) * strides[0] + (heads - 1) * strides[1] +
                                 (rows - 1) * strides[2] + columns) *
           element;
  };
  uint64_t mask = element;
  for (int i = 0; x.has_mask && i < 4; ++i)
    mask += static_cast<uint64_t>((x.mask_sizes[i] - 1) * x.mask_strides[i]) * element;
  TrialMemory memory(space,
                     {bytes(x.heads, x.queries, x.depth, x.q_strides),
                      bytes(x.kv_heads, x.keys, x.depth, x.k_strides),
                      bytes(x.kv_heads, x.keys, x.value_depth, x.v_strides), mask,
                      bytes(x.heads, x.queries, x.value_depth, x.o_strides),
                      static_cast<uint64_t>(x.batch * x.heads * x.queries) * sizeof(float),
                      bytes(x.heads, x.queries, x.value_depth, x.do_strides),
                      bytes(x.heads, x.queries, x.depth, x.dq_strides),
                      bytes(x.kv_heads, x.keys, x.depth, x.dk_strides),
                      bytes(x.kv_heads, x.keys, x.value_depth, x.dv_strides)},
                     describe(x));
  Pointers pointers;
  for (int64_t uid = kQ; uid <= kGradV; ++uid)
    if (uid != kMask || x.has_mask)
      pointers[uid] = memory.pointer(uid - kQ);
  if (attention.backward)
    library->run(*attention.backward, pointers, x);
  for (Uid uid : {kGradO, kGradQ, kGradK, kGradV})
    pointers.erase(uid);
  library->run(*attention.forward, pointers, x);
  checkCuda(space.api.cuStreamSynchronize(space.stream),
            [&] { return "trying " + describe(x) + " on " + space.title; });
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

static void *writable(const void *pointer) { return const_cast<void *>(pointer); }

Attentions::Prepared &Attentions::at(uint32_t index) {
  if (index >= table->attentions.size())
    throw RuntimeError("the program runs attention " + std::to_string(index) + " of " +
                       std::to_string(table->attentions.size()));
  return *table->attentions[index];
}

/// The graph's pointers, of which cuDNN expects 16 bytes of alignment and checks nothing.
static Pointers checked(std::initializer_list<std::pair<Uid, const void *>> list,
                        const bm_cuda_attention &what) {
  Pointers pointers;
  for (auto [uid, pointer] : list) {
    bool wanted = uid != kMask || what.has_mask;
    if (wanted != (pointer != nullptr))
      throw RuntimeError(describe(what) + ": an operand is " +
                         (wanted ? "missing" : "given that it does not have"));
    if (reinterpret_cast<uintptr_t>(pointer) % 16)
      throw RuntimeError(describe(what) + ": operands must be aligned to 16 bytes, one is at " +
                         std::to_string(reinterpret_cast<uintptr_t>(pointer)));
    if (pointer)
      pointers[uid] = writable(pointer);
  }
  return pointers;
}

void Attentions::forward(uint32_t index, const void *q, const void *k, const void *v,
                         const void *mask, void *o, float *logsumexp) {
  Prepared &attention = at(index);
  const bm_cuda_attention &x = attention.what;
  library->run(*attention.forward,
               checked({{kQ, q}, {kK, k}, {kV, v}, {kMask, mask}, {kO, o}, {kStats, logsumexp}}, x),
               x);
  if (!x.has_mask)
    return;
  // cuDNN does not say what it makes of queries that see nothing.
  cuda::UnseenQueries how{x.type, x.causal,      x.batch, x.heads, x.queries,
                          x.keys, x.value_depth, {},      {}};
  for (int i = 0; i < 4; ++i) {
    how.oStrides[i] = x.o_strides[i];
    how.maskStrides[i] = x.mask_sizes[i] == 1 ? 0 : x.mask_strides[i];
  }
  void *params[] = {&logsumexp, &o, &mask, &how};
  constexpr int64_t warps = cuda::kBlock / 32;
  int64_t blocks = (x.batch * x.heads * x.queries + warps - 1) / warps;
  checkCuda(space.api.cuLaunchKernel(space.unseenKernel, static_cast<unsigned>(blocks), 1, 1,
                                     cuda::kBlock, 1, 1, 0, space.stream, params, nullptr),
            [&] { return "queries without keys of " + describe(x); });
}

void Attentions::backward(uint32_t index, const void *q, const void *k, const void *v,
                          const void *mask, const void *o, const float *logsumexp,
                          const void *gradO, void *gradQ, void *gradK, void *gradV) {
  Prepared &attention = at(index);
  if (!attention.backward)
    throw RuntimeError(describe(attention.what) +
                       ": the program describes no gradients, but asks for them");
  library->run(*attention.backward,
               checked({{kQ, q},
                        {kK, k},
                        {kV, v},
                        {kMask, mask},
                        {kO, o},
                        {kStats, logsumexp},
                        {kGradO, gradO},
                        {kGradQ, gradQ},
                        {kGradK, gradK},
                        {kGradV, gradV}},
                       attention.what),
               attention.what);
}

} // namespace bigmac::rt
