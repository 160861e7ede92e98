// Fused attention of the CUDA driver against float64, forward and backward.

#include "LibraryTest.h"

#include <algorithm>
#include <array>
#include <functional>

using namespace bigmac::rt;
using namespace bigmac::rt::cts;

#ifdef BM_WITH_CUDNN

namespace {

enum Layout {
  RowMajor,
  HeadMajor,
  Packed
}; // [b, s, h, d]; [b, h, s, d]; q, k and v in one [b, s, 3, h, d]
enum Mask { NoMask = 0, OfKeys = 1, OfRows = 2, OfHeads = 4, OfBatch = 8 };

struct Case {
  const char *name;
  int64_t batch, heads, kvHeads, queries, keys, depth, valueDepth;
  bool causal = false;
  int mask = NoMask; // the dimensions in which it is not repeated
  Layout layout = RowMajor;
  uint32_t type = BM_BF16;
};

const Case kCases[] = {
    {"Full64", 2, 4, 4, 128, 128, 64, 64},
    {"Full128", 2, 2, 2, 192, 192, 128, 128},
    {"Causal64", 2, 4, 4, 160, 160, 64, 64, true},
    {"Causal128", 1, 4, 4, 256, 256, 128, 128, true},
    {"CausalF16", 1, 2, 2, 128, 128, 64, 64, true, NoMask, RowMajor, BM_F16},
    {"OddLengths", 2, 2, 2, 77, 130, 64, 64},
    {"OddDepths", 1, 2, 2, 96, 96, 72, 40},
    {"GroupedHeads64", 2, 8, 2, 128, 128, 64, 64, true},
    {"GroupedHeads128", 1, 8, 2, 130, 130, 128, 128, true},
    {"OneKeyHead", 1, 4, 1, 64, 100, 64, 64},
    {"CausalMoreKeys", 1, 2, 2, 100, 300, 64, 64, true},
    {"HeadMajor", 2, 4, 2, 128, 128, 64, 64, true, NoMask, HeadMajor},
    {"Packed", 2, 4, 4, 128, 128, 64, 64, true, NoMask, Packed},
    {"MaskOfRows", 2, 2, 2, 128, 128, 64, 64, false, OfKeys | OfRows},
    {"MaskOfHeads", 2, 4, 4, 96, 128, 64, 64, false, OfKeys | OfRows | OfHeads | OfBatch},
    {"MaskGrouped128", 2, 4, 2, 128, 128, 128, 128, false, OfKeys | OfRows | OfBatch},
    {"MaskCausal", 2, 2, 2, 128, 128, 64, 64, true, OfKeys | OfRows | OfBatch},
};

int64_t roundedUp(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

/// What bigmac-rt/cuda.h says that the backward needs.
uint64_t workspaceOf(const bm_cuda_attention &x, bool deterministic) {
  int64_t bytes = 256 + 4 * x.batch * x.heads * x.queries;
  bytes += deterministic ? 2 * x.batch * x.heads * roundedUp(x.queries, 64) * roundedUp(x.keys, 128)
                         : 4 * x.batch * x.heads * x.queries * x.depth;
  if (x.kv_heads != x.heads)
    bytes += 2 * x.batch * x.heads * x.keys * (x.depth + x.value_depth);
  return static_cast<uint64_t>(bytes);
}

bm_cuda_attention describe(const Case &how) {
  bm_cuda_attention x{};
  x.type = how.type, x.causal = how.causal, x.has_mask = how.mask != NoMask;
  x.scale = 0.3f;
  x.batch = how.batch, x.heads = how.heads, x.kv_heads = how.kvHeads;
  x.queries = how.queries, x.keys = how.keys, x.depth = how.depth, x.value_depth = how.valueDepth;
  auto set = [&](int64_t (&s)[4], int64_t heads, int64_t rows, int64_t columns, bool packed) {
    int64_t row = heads * columns * (packed ? 3 : 1);
    if (how.layout == HeadMajor)
      s[0] = heads * rows * columns, s[1] = rows * columns, s[2] = columns;
    else
      s[0] = rows * row, s[1] = columns, s[2] = row;
    s[3] = 1;
  };
  bool packed = how.layout == Packed;
  for (auto *s : {&x.q_strides, &x.dq_strides})
    set(*s, x.heads, x.queries, x.depth, packed);
  for (auto *s : {&x.k_strides, &x.dk_strides})
    set(*s, x.kv_heads, x.keys, x.depth, packed);
  for (auto *s : {&x.v_strides, &x.dv_strides})
    set(*s, x.kv_heads, x.keys, x.value_depth, packed);
  for (auto *s : {&x.o_strides, &x.do_strides})
    set(*s, x.heads, x.queries, x.value_depth, false);
  const int64_t whole[4] = {x.batch, x.heads, x.queries, x.keys};
  int64_t stride = 1;
  for (int i = 3; i >= 0; --i) {
    x.mask_sizes[i] = how.mask & (OfKeys << (3 - i)) ? whole[i] : 1;
    x.mask_strides[i] = stride;
    stride *= x.mask_sizes[i];
  }
  return x;
}

using Index = std::array<int64_t, 4>;
uint64_t offset(const int64_t (&strides)[4], const Index &i) {
  int64_t at = 0;
  for (int d = 0; d < 4; ++d)
    at += i[d] * strides[d];
  return static_cast<uint64_t>(at);
}
uint64_t spanOf(const int64_t (&strides)[4], const Index &sizes) {
  return offset(strides, {sizes[0] - 1, sizes[1] - 1, sizes[2] - 1, sizes[3] - 1}) + 1;
}

/// Operands, and what they come to in float64; results are dense.
struct Reference {
  explicit Reference(const bm_cuda_attention &x)
      : x(x), qSizes{x.batch, x.heads, x.queries, x.depth},
        kSizes{x.batch, x.kv_heads, x.keys, x.depth},
        vSizes{x.batch, x.kv_heads, x.keys, x.value_depth},
        oSizes{x.batch, x.heads, x.queries, x.value_depth},
        q(Values::random(x.type, spanOf(x.q_strides, qSizes), 1)),
        k(Values::random(x.type, spanOf(x.k_strides, kSizes), 2)),
        v(Values::random(x.type, spanOf(x.v_strides, vSizes), 3)),
        gradO(Values::random(x.type, spanOf(x.do_strides, oSizes), 4)),
        mask(Values::random(x.type, x.mask_sizes[0] * x.mask_strides[0], 5)) {
    // A quarter of the keys is hidden, and with a mask for each row all keys of the fourth.
    std::mt19937 generator(6);
    for (uint64_t i = 0; x.has_mask && i < mask.size(); ++i) {
      bool fourth =
          x.mask_sizes[2] > 1 && static_cast<int64_t>(i) / x.mask_strides[2] % x.mask_sizes[2] == 3;
      if (fourth || generator() % 4 == 0)
        mask.set(i, -INFINITY);
    }
    compute();
  }

  bool hides(int64_t b, int64_t h, int64_t i, int64_t j, double &added) const {
    added = 0;
    if (x.has_mask) {
      Index at{b, h, i, j};
      for (int d = 0; d < 4; ++d)
        at[d] = x.mask_sizes[d] == 1 ? 0 : at[d];
      added = mask.at(offset(x.mask_strides, at));
    }
    return added == -INFINITY || (x.causal && j > i + x.keys - x.queries);
  }

  static uint64_t dense(const Index &sizes, const Index &i) {
    return ((i[0] * sizes[1] + i[1]) * sizes[2] + i[2]) * sizes[3] + i[3];
  }

  void compute() {
    auto count = [](const Index &s) { return s[0] * s[1] * s[2] * s[3]; };
    o.assign(count(oSizes), 0);
    logsumexp.assign(x.batch * x.heads * x.queries, INFINITY);
    gradQ.assign(count(qSizes), 0);
    gradK.assign(count(kSizes), 0);
    gradV.assign(count(vSizes), 0);
    std::vector<double> p(x.keys);
    for (int64_t b = 0; b < x.batch; ++b)
      for (int64_t h = 0; h < x.heads; ++h)
        for (int64_t i = 0; i < x.queries; ++i)
          row(b, h, h / (x.heads / x.kv_heads), i, p);
  }

  void row(int64_t b, int64_t h, int64_t g, int64_t i, std::vector<double> &p) {
    double most = -INFINITY, sum = 0, added;
    for (int64_t j = 0; j < x.keys; ++j) {
      p[j] = -INFINITY;
      if (hides(b, h, i, j, added))
        continue;
      double dot = 0;
      for (int64_t c = 0; c < x.depth; ++c)
        dot += q.at(offset(x.q_strides, {b, h, i, c})) * k.at(offset(x.k_strides, {b, g, j, c}));
      p[j] = dot * x.scale + added;
      most = std::max(most, p[j]);
    }
    if (most == -INFINITY)
      return;
    for (double &value : p)
      sum += value = std::exp(value - most);
    logsumexp[(b * x.heads + h) * x.queries + i] = most + std::log(sum);
    double weighted = 0; // the sum over keys of p times its gradient
    std::vector<double> gradP(x.keys);
    for (int64_t j = 0; j < x.keys; ++j) {
      p[j] /= sum;
      for (int64_t c = 0; p[j] != 0 && c < x.value_depth; ++c) {
        double value = v.at(offset(x.v_strides, {b, g, j, c})),
               grad = gradO.at(offset(x.do_strides, {b, h, i, c}));
        o[dense(oSizes, {b, h, i, c})] += p[j] * value;
        gradV[dense(vSizes, {b, g, j, c})] += p[j] * grad;
        gradP[j] += grad * value;
      }
      weighted += p[j] * gradP[j];
    }
    for (int64_t j = 0; j < x.keys; ++j) {
      double gradS = p[j] * (gradP[j] - weighted) * x.scale;
      for (int64_t c = 0; gradS != 0 && c < x.depth; ++c) {
        gradQ[dense(qSizes, {b, h, i, c})] += gradS * k.at(offset(x.k_strides, {b, g, j, c}));
        gradK[dense(kSizes, {b, g, j, c})] += gradS * q.at(offset(x.q_strides, {b, h, i, c}));
      }
    }
  }

  const bm_cuda_attention &x;
  Index qSizes, kSizes, vSizes, oSizes;
  Values q, k, v, gradO, mask;
  std::vector<double> o, logsumexp, gradQ, gradK, gradV;
};

/// The values are as close as 16 bits with fp32 sums come; what lies between them is untouched NaN.
void expectClose(const char *name, const Values &got, const int64_t (&strides)[4],
                 const Index &sizes, const std::vector<double> &expected) {
  std::vector<bool> written(got.size());
  double squares = 0, errors = 0, worst = 0;
  for (double value : expected)
    squares += value * value;
  double size = std::sqrt(squares / static_cast<double>(expected.size()));
  for (int64_t b = 0; b < sizes[0]; ++b)
    for (int64_t h = 0; h < sizes[1]; ++h)
      for (int64_t i = 0; i < sizes[2]; ++i)
        for (int64_t c = 0; c < sizes[3]; ++c) {
          uint64_t at = offset(strides, {b, h, i, c});
          written[at] = true;
          double right = expected[Reference::dense(sizes, {b, h, i, c})];
          double error = std::abs(got.at(at) - right);
          errors += error * error;
          double ratio = error / (0.08 * size + 0.02 * std::abs(right));
          worst = std::isnan(ratio) ? INFINITY : std::max(worst, ratio);
        }
  EXPECT_LE(std::sqrt(errors / squares), 0.015) << name << ": the error's size of the values'";
  EXPECT_LE(worst, 1) << name << ": the largest error, of what is allowed";
  for (uint64_t i = 0; i < got.size(); ++i)
    if (!written[i]) {
      ASSERT_TRUE(std::isnan(got.at(i))) << name << ": element " << i << " lies between rows";
    }
}

class Attention : public LibraryTest {
protected:
  struct Results {
    Values o, logsumexp, gradQ, gradK, gradV;
    bool operator==(const Results &) const = default;
  };

  void makeWith(const bm_cuda_attention &x, bool deterministic, uint64_t workspace) {
    bm_cuda_program what{};
    what.attentions = &x, what.attention_count = 1;
    what.workspace_bytes = workspace;
    make(what, deterministic);
  }

  /// Forward and backward, one after the other or twice in a graph.
  Results results(const bm_cuda_attention &x, const Reference &in, bool inGraph = false) {
    auto nan = [](uint32_t type, uint64_t count) {
      Values values(type, count);
      for (uint64_t i = 0; i < count; ++i)
        values.set(i, NAN);
      return values;
    };
    Results out{nan(x.type, spanOf(x.o_strides, in.oSizes)), nan(BM_F32, in.logsumexp.size()),
                nan(x.type, spanOf(x.dq_strides, in.qSizes)),
                nan(x.type, spanOf(x.dk_strides, in.kSizes)),
                nan(x.type, spanOf(x.dv_strides, in.vSizes))};
    static std::array<void *, 10> p;
    const Values *all[] = {&in.q,          &in.k,     &in.v,      &in.mask,   &out.o,
                           &out.logsumexp, &in.gradO, &out.gradQ, &out.gradK, &out.gradV};
    std::array<uint64_t, 10> at;
    for (size_t i = 0; i < p.size(); ++i) {
      at[i] = put(*all[i]);
      p[i] = device->address(at[i]);
    }
    if (!x.has_mask)
      p[3] = nullptr;
    auto task = +[](void *const *) {
      bm_cuda_attention_forward(0, p[0], p[1], p[2], p[3], p[4], static_cast<float *>(p[5]));
      bm_cuda_attention_backward(0, p[0], p[1], p[2], p[3], p[4], static_cast<float *>(p[5]), p[6],
                                 p[7], p[8], p[9]);
    };
    if (inGraph) {
      for (int i = 0; i < 2; ++i)
        if (!device->replay(0)) {
          device->beginList(0);
          device->run(task, nullptr);
          device->endList();
        }
    } else {
      EXPECT_EQ(run([&] { task(nullptr); }), "");
    }
    get(out.o, at[4]);
    get(out.logsumexp, at[5]);
    get(out.gradQ, at[7]);
    get(out.gradK, at[8]);
    get(out.gradV, at[9]);
    return out;
  }

  static void expectRight(const bm_cuda_attention &x, const Reference &in, const Results &out) {
    double worst = 0;
    for (uint64_t i = 0; i < in.logsumexp.size(); ++i) {
      double got = out.logsumexp.at(i), right = in.logsumexp[i];
      double error = std::isinf(right) && got == right ? 0 : std::abs(got - right);
      worst = std::isnan(error) ? INFINITY : std::max(worst, error);
    }
    EXPECT_LE(worst, 2e-3) << "logsumexp";
    expectClose("o", out.o, x.o_strides, in.oSizes, in.o);
    expectClose("grad_q", out.gradQ, x.dq_strides, in.qSizes, in.gradQ);
    expectClose("grad_k", out.gradK, x.dk_strides, in.kSizes, in.gradK);
    expectClose("grad_v", out.gradV, x.dv_strides, in.vSizes, in.gradV);
    // Queries that see nothing: exactly nothing.
    for (int64_t b = 0; b < x.batch; ++b)
      for (int64_t h = 0; h < x.heads; ++h)
        for (int64_t i = 0; i < x.queries; ++i) {
          if (!std::isinf(in.logsumexp[(b * x.heads + h) * x.queries + i]))
            continue;
          for (int64_t c = 0; c < x.value_depth; ++c)
            ASSERT_EQ(out.o.at(offset(x.o_strides, {b, h, i, c})), 0);
          for (int64_t c = 0; c < x.depth; ++c)
            ASSERT_EQ(out.gradQ.at(offset(x.dq_strides, {b, h, i, c})), 0);
        }
  }
};

class CudaAttention : public Attention, public testing::WithParamInterface<Case> {};
class CudaAttentions : public Attention {};

} // namespace

TEST_P(CudaAttention, MatchesFloat64) {
  bm_cuda_attention x = describe(GetParam());
  makeWith(x, false, workspaceOf(x, false));
  Reference in(x);
  expectRight(x, in, results(x, in));
}

INSTANTIATE_TEST_SUITE_P(Cases, CudaAttention, testing::ValuesIn(kCases),
                         [](const auto &info) { return std::string(info.param.name); });

TEST_F(CudaAttentions, DeterministicInGraphs) {
  bm_cuda_attention x = describe({"", 2, 8, 2, 256, 256, 64, 64, true, OfKeys | OfRows | OfBatch});
  Reference in(x);
  makeWith(x, true, workspaceOf(x, true));
  Results first = results(x, in);
  expectRight(x, in, first);
  for (bool inGraph : {true, true, false}) {
    makeWith(x, true, workspaceOf(x, true));
    EXPECT_EQ(results(x, in, inGraph), first) << "the same bits in every run";
  }
}

TEST_F(CudaAttentions, NaNInTheDataShows) {
  bm_cuda_attention x = describe({"", 1, 2, 2, 64, 64, 64, 64, false, OfKeys | OfRows});
  Reference in(x);
  in.q.set(offset(x.q_strides, {0, 1, 7, 5}), NAN);
  makeWith(x, false, workspaceOf(x, false));
  Results out = results(x, in);
  EXPECT_TRUE(std::isnan(out.logsumexp.at(64 + 7)));
  EXPECT_TRUE(std::isnan(out.o.at(offset(x.o_strides, {0, 1, 7, 0}))));
  EXPECT_TRUE(std::isinf(out.logsumexp.at(64 + 3))) << "that row sees nothing";
}

namespace {

std::string messageOf(const std::function<void()> &call) {
  try {
    call();
  } catch (const RuntimeError &error) {
    return error.what();
  }
  return "";
}

} // namespace

TEST_F(CudaAttentions, ErrorsSayWhatIsNeeded) {
  bm_cuda_attention x = describe({"", 1, 2, 2, 128, 128, 64, 64, true});
  std::string error = messageOf([&] { makeWith(x, false, 1000); });
  EXPECT_NE(error.find("needs " + std::to_string(workspaceOf(x, false)) + " bytes of workspace"),
            std::string::npos)
      << error;
  EXPECT_NE(error.find("--workspace="), std::string::npos) << error;

  bm_cuda_attention fewer = describe({"", 1, 2, 2, 128, 64, 64, 64, true});
  error = messageOf([&] { makeWith(fewer, false, 1 << 24); });
  EXPECT_NE(error.find("cuDNN: attention of 1 x 2 x 128 x 64"), std::string::npos) << error;

  makeWith(x, false, workspaceOf(x, false));
  auto *at = static_cast<char *>(device->address(0));
  auto *stats = reinterpret_cast<float *>(at + 65536 * 4);
  error = run([&] {
    bm_cuda_attention_forward(0, at + 2, at + 65536, at + 65536 * 2, nullptr, at + 65536 * 3,
                              stats);
  });
  EXPECT_NE(error.find("operands must be aligned to 16 bytes"), std::string::npos) << error;
  makeWith(x, false, workspaceOf(x, false));
  error = run([&] { bm_cuda_attention_forward(1, at, at, at, nullptr, at, stats); });
  EXPECT_EQ(error, "the program runs attention 1 of 1");
}

/// Without gradients it takes next to no workspace, and a mask may have one row for all queries.
TEST_F(CudaAttentions, ForwardOnly) {
  bm_cuda_attention x = describe({"", 1, 2, 2, 64, 128, 64, 64, false, OfKeys | OfBatch});
  Reference in(x);
  for (auto *strides : {x.dq_strides, x.dk_strides, x.dv_strides, x.do_strides})
    std::fill(strides, strides + 4, 0);
  makeWith(x, false, 256);
  Values o(x.type, in.o.size()), logsumexp(BM_F32, in.logsumexp.size());
  uint64_t q = put(in.q), k = put(in.k), v = put(in.v), mask = put(in.mask), to = put(o),
           stats = put(logsumexp);
  auto at = [&](uint64_t offset) { return device->address(offset); };
  EXPECT_EQ(run([&] {
              bm_cuda_attention_forward(0, at(q), at(k), at(v), at(mask), at(to),
                                        static_cast<float *>(at(stats)));
            }),
            "");
  get(o, to);
  expectClose("o", o, x.o_strides, in.oSizes, in.o);
  EXPECT_NE(run([&] {
              bm_cuda_attention_backward(0, at(q), at(k), at(v), at(mask), at(to),
                                         static_cast<float *>(at(stats)), at(to), at(q), at(k),
                                         at(v));
            }).find("the program describes no gradients"),
            std::string::npos);
}

#else

TEST(CudaAttentions, NeedTheHeadersOfCudnnFrontend) {
  GTEST_SKIP() << "built without cudnn_frontend.h";
}

#endif
