// Gradients of table lookups of the CUDA driver, bit by bit, and ids outside of their table.

#include "LibraryTest.h"

using namespace bigmac::rt;
using namespace bigmac::rt::cts;

namespace {

struct Case {
  const char *name;
  int64_t tableRows, width, count;
  uint32_t tableType = BM_F32, rowsType = BM_F32, idBytes = 8;
  uint64_t shift = 0; // bytes that table and rows are beside 256
};

const Case kCases[] = {
    {"F32", 37, 64, 700},
    {"Bf16", 37, 64, 700, BM_BF16, BM_BF16},
    {"Bf16IntoF32", 37, 64, 700, BM_F32, BM_BF16},
    {"F32IntoBf16Int32", 37, 64, 700, BM_BF16, BM_F32, 4},
    {"ManyDifferent", 5000, 32, 3000, BM_F32, BM_BF16, 4},
    {"OneRow", 1, 256, 2500, BM_F32, BM_BF16},
    {"OddWidth", 11, 5, 300, BM_BF16, BM_F32},
    {"WideRows", 7, 4096, 50, BM_F32, BM_BF16},
    {"WideAndOdd", 7, 2051, 50, BM_BF16, BM_BF16},
    {"Unaligned", 9, 64, 100, BM_BF16, BM_BF16, 8, 2},
    {"Nothing", 9, 64, 0},
};

class Scatter : public LibraryTest {
protected:
  uint64_t putIds(const std::vector<int64_t> &ids, uint32_t bytes) {
    std::vector<int32_t> narrow(ids.begin(), ids.end());
    uint64_t at = place(ids.size() * bytes);
    device->upload(at, bytes == 8 ? static_cast<const void *>(ids.data()) : narrow.data(),
                   ids.size() * bytes);
    device->synchronize();
    return at;
  }
};

class CudaScatter : public Scatter, public testing::WithParamInterface<Case> {};
class CudaIndexErrors : public Scatter {
protected:
  void *argument = nullptr;
};

} // namespace

TEST_P(CudaScatter, AddsInOrder) {
  const Case &x = GetParam();
  make({});
  Values table = Values::random(x.tableType, x.tableRows * x.width, 1),
         rows = Values::random(x.rowsType, x.count * x.width, 2);
  std::mt19937 generator(3);
  std::vector<int64_t> ids(x.count);
  for (int64_t &id : ids) {
    id = static_cast<int64_t>(generator() % x.tableRows);
    if (generator() % 3 == 0)
      id -= x.tableRows;
  }
  uint64_t t = put(table, x.shift), r = put(rows, x.shift), i = putIds(ids, x.idBytes);
  EXPECT_EQ(run([&] {
              bm_cuda_scatter_rows(device->address(t), x.tableType, x.tableRows, x.width,
                                   device->address(i), x.idBytes, x.count, device->address(r),
                                   x.rowsType);
            }),
            "");
  Values got = table;
  get(got, t);
  // fp32 sums in the order of ids, rounded once.
  std::vector<float> sums(table.size());
  for (uint64_t e = 0; e < sums.size(); ++e)
    sums[e] = static_cast<float>(table.at(e));
  for (int64_t n = 0; n < x.count; ++n) {
    int64_t row = ids[n] < 0 ? ids[n] + x.tableRows : ids[n];
    for (int64_t c = 0; c < x.width; ++c)
      sums[row * x.width + c] += static_cast<float>(rows.at(n * x.width + c));
  }
  Values expected = table;
  for (uint64_t e = 0; e < sums.size(); ++e)
    expected.set(e, sums[e]);
  EXPECT_TRUE(got == expected);
}

INSTANTIATE_TEST_SUITE_P(Cases, CudaScatter, testing::ValuesIn(kCases),
                         [](const auto &info) { return std::string(info.param.name); });

TEST_F(CudaIndexErrors, OfScatteredRows) {
  for (int64_t bad : {int64_t(10), int64_t(-11), int64_t(1) << 40}) {
    make({});
    uint64_t table = place(10 * 16 * 4), rows = place(4 * 16 * 4), ids = putIds({3, 0, bad, 9}, 8);
    std::string error = run([&] {
      bm_cuda_scatter_rows(device->address(table), BM_F32, 10, 16, device->address(ids), 8, 4,
                           device->address(rows), BM_F32);
    });
    EXPECT_EQ(error.find("an id or label in the data is " + std::to_string(bad) +
                         ", expected one from 0 to 9"),
              0u)
        << error;
  }
}

/// Of a program's own kernel, in a graph: the wait after the step says so.
TEST_F(CudaIndexErrors, OfKernels) {
  static const bm_cuda_kernel kernel = {"cts_index_error", 0, 0};
  bm_cuda_program what{};
  what.kernels = &kernel, what.kernel_count = 1;
  make(what);
  static int64_t index;
  auto step = [&] {
    if (!device->replay(0)) {
      device->beginList(0);
      device->run(
          +[](void *const *args) {
            void *record = bm_cuda_index_error_record(), *bad = args[0];
            void *params[] = {&record, &bad};
            bm_cuda_launch(0, 1, 1, 1, 32, 1, 1, params);
          },
          &argument);
      device->endList();
    }
  };
  uint64_t at = putIds({-1}, 8);
  argument = device->address(at);
  step();
  device->synchronize(); // nothing is wrong yet
  index = 77;
  device->upload(at, &index, sizeof(index));
  device->synchronize();
  step();
  try {
    device->synchronize();
    FAIL() << "the error is not seen";
  } catch (const RuntimeError &error) {
    EXPECT_EQ(std::string(error.what())
                  .find("an id or label in the data is 77, expected one from "
                        "0 to 32"),
              0u)
        << error.what();
  }
}

TEST_F(CudaIndexErrors, BadCalls) {
  make({});
  EXPECT_NE(run([] {
              bm_cuda_scatter_rows(nullptr, BM_F16, 1, 1, nullptr, 8, 1, nullptr, BM_F32);
            }).find("expected f32 or bf16"),
            std::string::npos);
  make({});
  EXPECT_NE(run([] {
              bm_cuda_scatter_rows(nullptr, BM_F32, 1, 1, nullptr, 2, 1, nullptr, BM_F32);
            }).find("ids of 2 bytes"),
            std::string::npos);
}
