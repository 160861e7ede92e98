// Library calls of programs for GPUs, as far as no GPU is needed: their descriptions, and the file
// that remembers choices.

#include "drivers/cuda/LibraryCalls.h"
#include "TestSupport.h"
#include "bigmac-rt/Device.h"
#include "bigmac-rt/Error.h"
#include "bigmac-rt/plan.h"
#include "drivers/cuda/AlgorithmCache.h"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

using namespace bigmac;
using namespace bigmac::rt;
using testing::HasSubstr;

static bm_cuda_matmul matmul() {
  bm_cuda_matmul x{};
  x.a_type = x.b_type = BM_BF16, x.c_type = BM_F32;
  x.trans_a = 1;
  x.beta = 1;
  x.m = 6, x.n = 5, x.k = 4, x.batch = 3;
  x.lda = 8, x.stride_a = 32, x.ldb = 5, x.stride_b = 20, x.ldc = 7, x.stride_c = 42;
  return x;
}

/// gelu of a product and a bias, keeping what it is of.
static bm_cuda_matmul geluMatmul() {
  bm_cuda_matmul x{};
  x.a_type = x.b_type = x.c_type = BM_BF16;
  x.epilogue = BM_EPILOGUE_BIAS | BM_EPILOGUE_SAVE | BM_EPILOGUE_GELU;
  x.m = 6, x.n = 16, x.k = 8, x.batch = 3;
  x.lda = 8, x.stride_a = 48, x.ldb = 16, x.ldc = 24, x.stride_c = 144;
  x.ld_aux = 16, x.stride_aux = 96;
  return x;
}

static bm_cuda_attention attention() {
  bm_cuda_attention x{};
  x.type = BM_BF16;
  x.causal = 1;
  x.has_mask = 1;
  x.scale = 0.125f;
  x.batch = 2, x.heads = 8, x.kv_heads = 2, x.queries = 32, x.keys = 32, x.depth = 64,
  x.value_depth = 64;
  for (int64_t *strides : {x.q_strides, x.k_strides, x.v_strides, x.o_strides, x.dq_strides,
                           x.dk_strides, x.dv_strides, x.do_strides}) {
    int64_t heads = strides == x.k_strides || strides == x.v_strides ? 2 : 8;
    const int64_t rows[4] = {32 * heads * 64, 64, heads * 64, 1};
    std::copy(rows, rows + 4, strides);
  }
  const int64_t sizes[4] = {2, 1, 32, 32}, strides[4] = {1024, 1024, 32, 1};
  std::copy(sizes, sizes + 4, x.mask_sizes);
  std::copy(strides, strides + 4, x.mask_strides);
  return x;
}

template <typename Call> static std::string problemWith(const Call &call) {
  bm_cuda_program program{};
  if constexpr (std::is_same_v<Call, bm_cuda_matmul>)
    program.matmuls = &call, program.matmul_count = 1;
  else
    program.attentions = &call, program.attention_count = 1;
  try {
    checkLibraryCalls(program);
  } catch (const RuntimeError &error) {
    return error.what();
  }
  return "";
}

template <typename Call, typename Change>
static std::string problemAfter(Call call, Change change) {
  change(call);
  return problemWith(call);
}

TEST(LibraryCalls, ProgramsWithoutAny) {
  checkLibraryCalls({});
  EXPECT_EQ(problemWith(matmul()), "");
  EXPECT_EQ(problemWith(geluMatmul()), "");
  EXPECT_EQ(problemWith(attention()), "");
}

TEST(LibraryCalls, Texts) {
  EXPECT_EQ(describe(matmul()),
            "matmul 6 x 5 x 4 (m x n x k), bf16, into f32, transposed A, batch 3, beta 1");
  EXPECT_EQ(describe(geluMatmul()),
            "matmul 6 x 16 x 8 (m x n x k), bf16, batch 3, bias, saved, gelu");
  bm_cuda_matmul backward = geluMatmul();
  backward.epilogue = BM_EPILOGUE_GELU_BACKWARD;
  EXPECT_EQ(describe(backward), "matmul 6 x 16 x 8 (m x n x k), bf16, batch 3, gelu backward");
  EXPECT_EQ(describe(attention()),
            "attention of 2 x 8 x 32 x 64 (batch x heads x queries x depth) on 32 keys of 2 heads, "
            "bf16, causal, mask of 2 x 1 x 32 x 32");
}

TEST(LibraryCalls, BadMatmuls) {
  using M = bm_cuda_matmul;
  EXPECT_THAT(problemAfter(matmul(), [](M &x) { x.a_type = x.b_type = BM_I32; }),
              HasSubstr("expected f32, bf16 or f16"));
  EXPECT_THAT(problemAfter(matmul(), [](M &x) { x.b_type = BM_F16; }),
              HasSubstr("A and B must have one type"));
  EXPECT_THAT(problemAfter(matmul(),
                           [](M &x) {
                             x.a_type = x.b_type = BM_F32;
                             x.c_type = BM_BF16;
                           }),
              HasSubstr("C must have the type of A and B, or be f32"));
  EXPECT_THAT(problemAfter(matmul(), [](M &x) { x.k = 0; }), HasSubstr("from 1 to"));
  EXPECT_THAT(problemAfter(matmul(), [](M &x) { x.m = int64_t(1) << 40; }), HasSubstr("from 1 to"));
  EXPECT_EQ(problemAfter(matmul(), [](M &x) { x.lda = 5; }),
            "library call 0 of the program, matmul 6 x 5 x 4 (m x n x k), bf16, into f32, "
            "transposed A, batch 3, beta 1: the leading dimension of A is 5, less than its 6 "
            "columns");
  EXPECT_THAT(problemAfter(matmul(), [](M &x) { x.stride_c = 0; }),
              HasSubstr("batch elements of C overlap"));
  // Rows of the elements in turn.
  EXPECT_EQ(problemAfter(matmul(),
                         [](M &x) {
                           x.stride_c = 5;
                           x.ldc = 15;
                         }),
            "");
  EXPECT_THAT(problemAfter(matmul(),
                           [](M &x) {
                             x.stride_c = 5;
                             x.ldc = 14;
                           }),
              HasSubstr("batch elements of C overlap"));
  EXPECT_THAT(problemAfter(matmul(), [](M &x) { x.stride_b = -20; }), HasSubstr("stride of B"));
  EXPECT_THAT(problemAfter(matmul(), [](M &x) { x.stride_b = INT64_MAX; }),
              HasSubstr("B spans more"));
  EXPECT_THAT(problemAfter(matmul(), [](M &x) { x.epilogue = 9; }), HasSubstr("epilogue 9"));
  EXPECT_THAT(problemAfter(matmul(), [](M &x) { x.beta = NAN; }), HasSubstr("beta"));
  // A program with a bad table does not start, whatever GPUs there are.
  bm_cuda_matmul bad = matmul();
  bad.n = 0;
  bm_cuda_program program{};
  program.matmuls = &bad, program.matmul_count = 1;
  try {
    makeCudaDevice(0, &program);
    FAIL();
  } catch (const RuntimeError &error) {
    EXPECT_THAT(error.what(), HasSubstr("library call 0 of the program, matmul 6 x 0 x 4"));
  }
}

TEST(LibraryCalls, BadGeluMatmuls) {
  using M = bm_cuda_matmul;
  auto problem = [](auto change) { return problemAfter(geluMatmul(), change); };
  EXPECT_THAT(problem([](M &x) { x.epilogue = BM_EPILOGUE_SAVE; }),
              HasSubstr("epilogue 2 is not known"));
  EXPECT_THAT(problem([](M &x) { x.epilogue = BM_EPILOGUE_BIAS | BM_EPILOGUE_GELU_BACKWARD; }),
              HasSubstr("epilogue 9 is not known"));
  EXPECT_THAT(problem([](M &x) { x.c_type = BM_F32; }),
              HasSubstr("gelu and sums are of bf16 or f16"));
  EXPECT_THAT(problem([](M &x) { x.a_type = x.b_type = x.c_type = BM_F32; }),
              HasSubstr("gelu and sums are of bf16 or f16"));
  EXPECT_EQ(problem([](M &x) { x.a_type = x.b_type = x.c_type = BM_F16; }), "");
  EXPECT_THAT(problem([](M &x) { x.beta = 1; }), HasSubstr("beta must be 0"));
  EXPECT_THAT(problem([](M &x) { x.ld_aux = 20, x.stride_aux = 160; }),
              HasSubstr("must be multiples of 8, found 20"));
  EXPECT_THAT(problem([](M &x) { x.stride_a = 52; }),
              HasSubstr("must be multiples of 8, found 52"));
  EXPECT_THAT(problem([](M &x) { x.ld_aux = 8; }),
              HasSubstr("leading dimension of aux is 8, less than its 16 columns"));
  // What is written must not overlap; what is read may be one for all.
  EXPECT_THAT(problem([](M &x) { x.stride_aux = 0; }), HasSubstr("batch elements of aux overlap"));
  EXPECT_EQ(problem([](M &x) {
              x.stride_aux = 0;
              x.epilogue = BM_EPILOGUE_GELU_BACKWARD;
            }),
            "");
  // Without an auxiliary matrix its steps are none.
  EXPECT_EQ(problem([](M &x) {
              x.epilogue = BM_EPILOGUE_GELU;
              x.ld_aux = x.stride_aux = 0;
            }),
            "");
}

TEST(LibraryCalls, SumsOfOperands) {
  using M = bm_cuda_matmul;
  bm_cuda_matmul sums = geluMatmul();
  sums.epilogue = BM_EPILOGUE_SUM_A;
  sums.batch = 1, sums.beta = 1, sums.ld_aux = sums.stride_aux = 0;
  EXPECT_THAT(problemWith(sums), HasSubstr("of A that is transposed and B that is not"));
  sums.trans_a = 1;
  EXPECT_EQ(problemWith(sums), "");
  EXPECT_EQ(describe(sums), "matmul 6 x 16 x 8 (m x n x k), bf16, transposed A, beta 1, sums of A");
  EXPECT_EQ(extentsOf(sums).vector, 6 * 2u);
  EXPECT_THAT(problemAfter(sums, [](M &x) { x.batch = 2; }), HasSubstr("batch must be 1"));
  EXPECT_THAT(problemAfter(sums, [](M &x) { x.c_type = BM_F32; }),
              HasSubstr("gelu and sums are of bf16 or f16"));
  EXPECT_THAT(problemAfter(sums, [](M &x) { x.trans_b = 1; }), HasSubstr("B that is not"));
  EXPECT_THAT(problemAfter(sums, [](M &x) { x.lda = 12; }),
              HasSubstr("must be multiples of 8, found 12"));
  EXPECT_THAT(problemAfter(sums, [](M &x) { x.epilogue |= BM_EPILOGUE_BIAS; }),
              HasSubstr("epilogue 17 is not known"));
  sums.epilogue = BM_EPILOGUE_SUM_B;
  EXPECT_EQ(describe(sums), "matmul 6 x 16 x 8 (m x n x k), bf16, transposed A, beta 1, sums of B");
  EXPECT_EQ(extentsOf(sums).vector, 16 * 2u);
}

TEST(LibraryCalls, BadAttentions) {
  using A = bm_cuda_attention;
  EXPECT_THAT(problemAfter(attention(), [](A &x) { x.type = BM_F32; }),
              HasSubstr("expected bf16 or f16"));
  EXPECT_THAT(problemAfter(attention(), [](A &x) { x.kv_heads = 3; }),
              HasSubstr("8 query heads cannot share 3"));
  EXPECT_THAT(problemAfter(attention(), [](A &x) { x.keys = 0; }), HasSubstr("from 1 to"));
  EXPECT_THAT(problemAfter(attention(), [](A &x) { x.dv_strides[3] = 2; }),
              HasSubstr("the columns of grad_v must be contiguous"));
  EXPECT_THAT(problemAfter(attention(), [](A &x) { x.mask_sizes[2] = 5; }),
              HasSubstr("size 2 of the mask is 5, expected 1 or 32"));
  EXPECT_THAT(problemAfter(attention(), [](A &x) { x.mask_sizes[2] = 1; }),
              HasSubstr("the mask of a backward must have a row for each query"));
  EXPECT_THAT(problemAfter(attention(), [](A &x) { x.dk_strides[0] = 0; }),
              HasSubstr("a stride of grad_k is 0"));
  // Without any gradients it is a forward only.
  bm_cuda_attention forward = attention();
  EXPECT_TRUE(hasBackward(forward));
  for (auto *strides :
       {forward.dq_strides, forward.dk_strides, forward.dv_strides, forward.do_strides})
    std::fill(strides, strides + 4, 0);
  EXPECT_FALSE(hasBackward(forward));
  EXPECT_EQ(problemWith(forward), "");
  EXPECT_THAT(problemAfter(attention(), [](A &x) { x.scale = INFINITY; }), HasSubstr("scale"));
}

TEST(LibraryCalls, ExtentsAndBatchesThatAreOneMatrix) {
  MatmulExtents bytes = extentsOf(matmul());
  EXPECT_EQ(bytes.a, (2 * 32 + 3 * 8 + 6) * 2u); // stored as k x m
  EXPECT_EQ(bytes.b, (2 * 20 + 3 * 5 + 5) * 2u);
  EXPECT_EQ(bytes.c, (2 * 42 + 5 * 7 + 5) * 4u);
  EXPECT_EQ(bytes.vector, 0u);
  EXPECT_EQ(bytes.aux, 0u);
  EXPECT_EQ(extentsOf(geluMatmul()).vector, 16 * 2u);
  EXPECT_EQ(extentsOf(geluMatmul()).aux, (2 * 96 + 5 * 16 + 16) * 2u);

  bm_cuda_matmul x = matmul();
  EXPECT_EQ(simplified(x).batch, 3) << "B is not the same for all";
  x.stride_b = 0;
  EXPECT_EQ(simplified(x).batch, 3) << "A is transposed";
  x.trans_a = 0;
  x.stride_a = 6 * 8;
  x.stride_c = 6 * 7;
  EXPECT_EQ(simplified(x).m, 18);
  EXPECT_EQ(simplified(x).batch, 1);
  EXPECT_EQ(extentsOf(simplified(x)).c, extentsOf(x).c);
  x.stride_c = 6 * 7 + 1;
  EXPECT_EQ(simplified(x).batch, 3) << "rows of C do not go on evenly";

  x = geluMatmul();
  EXPECT_EQ(simplified(x).m, 18);
  EXPECT_EQ(extentsOf(simplified(x)).aux, extentsOf(x).aux);
  x.stride_aux += 8;
  EXPECT_EQ(simplified(x).batch, 3) << "rows of aux do not go on evenly";
}

TEST(LibraryCalls, KeysTellEveryFieldApart) {
  std::set<std::string> keys = {keyOf(matmul())};
  size_t expected = 1;
  auto change = [&](auto field, auto value) {
    bm_cuda_matmul x = matmul();
    x.*field = value;
    keys.insert(keyOf(x));
    ++expected;
  };
  using M = bm_cuda_matmul;
  for (auto field : {&M::a_type, &M::b_type, &M::c_type, &M::trans_a, &M::trans_b, &M::epilogue})
    change(field, 9u);
  change(&M::beta, 0.5f);
  for (auto field : {&M::m, &M::n, &M::k, &M::lda, &M::stride_a, &M::ldb, &M::stride_b, &M::ldc,
                     &M::stride_c, &M::ld_aux, &M::stride_aux, &M::batch})
    change(field, int64_t(1234567));
  EXPECT_EQ(keys.size(), expected);
  bm_cuda_attention other = attention();
  other.mask_strides[0] = 0;
  EXPECT_NE(keyOf(other), keyOf(attention()));
}

namespace {

class AlgorithmCacheTest : public testing::Test {
protected:
  std::filesystem::path folder = testing::TempDir() + "/bigmac-algorithm-cache";
  std::string path = folder / "sub" / "algorithms";
  void SetUp() override { std::filesystem::remove_all(folder); }

  static std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
  }
  std::string text() const {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void write(const std::string &text) { std::ofstream(path, std::ios::trunc) << text; }
};

} // namespace

TEST_F(AlgorithmCacheTest, RemembersByKeyAndSize) {
  AlgorithmCache cache(path);
  EXPECT_FALSE(cache.find("1 2 on GPU A", 4));
  cache.add("1 2 on GPU A", bytes("abcd"));
  cache.add("1 2 on GPU B", bytes("ef\n\xff"));
  ASSERT_TRUE(cache.save());
  AlgorithmCache again(path);
  EXPECT_EQ(again.find("1 2 on GPU A", 4), "abcd");
  EXPECT_EQ(again.find("1 2 on GPU B", 4), "ef\n\xff");
  EXPECT_FALSE(again.find("1 2 on GPU C", 4)) << "of another GPU";
  EXPECT_FALSE(again.find("1 2 on GPU A", 8)) << "of another library's layout";
}

TEST_F(AlgorithmCacheTest, KeepsWhatOthersHaveWritten) {
  AlgorithmCache one(path), two(path);
  one.add("one", bytes("1"));
  two.add("two", bytes("2"));
  ASSERT_TRUE(one.save());
  ASSERT_TRUE(two.save());
  AlgorithmCache both(path);
  EXPECT_EQ(both.find("one", 1), "1");
  EXPECT_EQ(both.find("two", 1), "2");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder / "sub"), {}), 1)
      << "nothing is left beside";
}

TEST_F(AlgorithmCacheTest, DamageIsIgnored) {
  AlgorithmCache cache(path);
  cache.add("a key", bytes("abcd"));
  cache.add("b key", bytes("efgh"));
  ASSERT_TRUE(cache.save());
  std::string whole = text();
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = damaged[at] == 'x' ? 'y' : 'x';
    write(damaged);
    AlgorithmCache read(path);
    int found = 0;
    for (const char *key : {"a key", "b key"})
      if (auto got = read.find(key, 4)) {
        EXPECT_EQ(*got, key[0] == 'a' ? "abcd" : "efgh");
        ++found;
      }
    EXPECT_LE(found, 1 + (damaged[at] == '\n')) << at;
    write(whole.substr(0, at));
    AlgorithmCache cut(path);
  }
  write("no checksum\n\n " + std::string(10'000, 'z') + "\n" + whole);
  EXPECT_EQ(AlgorithmCache(path).find("a key", 4), "abcd");
}

TEST_F(AlgorithmCacheTest, PlacesThatCannotBeWritten) {
  AlgorithmCache none("");
  none.add("a key", bytes("abcd"));
  EXPECT_EQ(none.find("a key", 4), "abcd");
  EXPECT_FALSE(none.save());
  AlgorithmCache below("/dev/null/algorithms");
  below.add("a key", bytes("abcd"));
  EXPECT_FALSE(below.save());
}

TEST(CachePath, FollowsTheSpecification) {
  auto with = [](const char *cache, const char *home) {
    cache ? setenv("XDG_CACHE_HOME", cache, 1) : unsetenv("XDG_CACHE_HOME");
    home ? setenv("HOME", home, 1) : unsetenv("HOME");
    return cachePath("x");
  };
  std::string home = std::getenv("HOME") ? std::getenv("HOME") : "/";
  EXPECT_EQ(with("/c", "/h"), "/c/bigmac/x");
  EXPECT_EQ(with(nullptr, "/h"), "/h/.cache/bigmac/x");
  EXPECT_EQ(with("relative", "/h"), "/h/.cache/bigmac/x");
  EXPECT_EQ(with(nullptr, nullptr), "");
  setenv("HOME", home.c_str(), 1);
}
