//===- TaskTest.cpp - The task convention, errors, and what is emitted -----===//

#include "Reference.h"

#include <gtest/gtest.h>

using namespace bigmac::test;

TEST(Task, UnusedArgumentsAndPassedThroughOnes) {
  Tasks tasks(
      R"(func.func @f(%a: tensor<5xf32>, %unused: tensor<3xi64>, %b: tensor<5xf32>) -> (tensor<5xf32>, tensor<5xf32>, tensor<5xf32>, tensor<5xf32>, tensor<3xf32>) {
    %0 = arith.addf %a, %b : tensor<5xf32>
    %c = arith.constant dense<[1.0, 2.0, 4.0]> : tensor<3xf32>
    return %b, %b, %0, %0, %c : tensor<5xf32>, tensor<5xf32>, tensor<5xf32>, tensor<5xf32>, tensor<3xf32>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor a = Tensor::random({5}, 1), b = Tensor::random({5}, 2), sum({5});
  for (int64_t i = 0; i < 5; ++i)
    sum[i] = a[i] + b[i];
  auto results = tasks.run({a, Tensor({3}, 9), b});
  EXPECT_EQ(results[0].data, b.data);
  EXPECT_EQ(results[1].data, b.data);
  EXPECT_LT(relativeError(results[2], sum), 1e-6);
  EXPECT_EQ(results[2].data, results[3].data);
  EXPECT_EQ(results[4].data, (std::vector<double>{1, 2, 4}));
}

TEST(Task, BuffersMayBeOnlyReadOrOnlyWritten) {
  Tasks tasks(
      R"(func.func @f(%a: memref<5xf32>, %b: memref<5xf32>, %unused: memref<2xf32>) -> tensor<5xf32> {
    %0 = bufferization.to_tensor %a restrict writable : memref<5xf32> to tensor<5xf32>
    %1 = arith.mulf %0, %0 : tensor<5xf32>
    %2 = math.exp %0 : tensor<5xf32>
    bufferization.materialize_in_destination %1 in restrict writable %b : (tensor<5xf32>, memref<5xf32>) -> ()
    return %2 : tensor<5xf32>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor a = Tensor::random({5}, 1), square({5});
  for (int64_t i = 0; i < 5; ++i)
    square[i] = a[i] * a[i];
  std::vector<Tensor> args = {a, Tensor({5}), Tensor({2}, 3)};
  tasks.run("f", args);
  EXPECT_EQ(args[0].data, a.data);
  EXPECT_LT(relativeError(args[1], square), 1e-6);
  EXPECT_EQ(args[2].data, (std::vector<double>{3, 3}));
}

TEST(Task, AccumulatorReadAfterItsUpdateIsComputed) {
  // The old value is needed after the new one exists: one of them must be a copy.
  Tasks tasks(R"(func.func @f(%acc: memref<4x4xf32>, %x: tensor<4x4xf32>) -> tensor<4x4xf32> {
    %old = bufferization.to_tensor %acc restrict writable : memref<4x4xf32> to tensor<4x4xf32>
    %p = nn.matmul %x, %x : tensor<4x4xf32>, tensor<4x4xf32>
    %new = arith.addf %old, %p : tensor<4x4xf32>
    %q = nn.matmul %new, %old : tensor<4x4xf32>, tensor<4x4xf32>
    bufferization.materialize_in_destination %new in restrict writable %acc : (tensor<4x4xf32>, memref<4x4xf32>) -> ()
    return %q : tensor<4x4xf32>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor acc = Tensor::random({4, 4}, 1), x = Tensor::random({4, 4}, 2), updated = acc;
  Tensor product = matmul(x, x);
  for (int64_t i = 0; i < 16; ++i)
    updated[i] += product[i];
  std::vector<Tensor> args = {acc, x};
  auto results = tasks.run("f", args);
  EXPECT_LT(relativeError(args[0], updated), 1e-5);
  EXPECT_LT(relativeError(results[0], matmul(updated, acc)), 1e-5);
}

TEST(Task, InputIsNeverWritten) {
  Tasks tasks(R"(func.func @f(%x: tensor<4x4xf32>, %y: tensor<4x4xf32>) -> tensor<4x4xf32> {
    %0 = arith.addf %x, %y : tensor<4x4xf32>
    %1 = nn.softmax %0 : tensor<4x4xf32>
    %2 = tensor.extract_slice %y[1, 0] [2, 4] [1, 1] : tensor<4x4xf32> to tensor<2x4xf32>
    %3 = math.exp %2 : tensor<2x4xf32>
    %4 = tensor.insert_slice %3 into %x[1, 0] [2, 4] [1, 1] : tensor<2x4xf32> into tensor<4x4xf32>
    %5 = arith.addf %4, %1 : tensor<4x4xf32>
    return %5 : tensor<4x4xf32>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  std::vector<Tensor> args = {Tensor::random({4, 4}, 1), Tensor::random({4, 4}, 2)};
  Tensor first = tasks.run("f", args)[0], second = tasks.run("f", args)[0];
  EXPECT_EQ(first.data, second.data);
}

TEST(Task, SeveralInOneObjectShareKernels) {
  auto layer = [](const std::string &name) {
    return "func.func @" + name + R"((%x: tensor<64x128xf32>) -> tensor<64x128xf32> {
      %0 = nn.softmax %x : tensor<64x128xf32>
      return %0 : tensor<64x128xf32>
    })";
  };
  Tasks one(layer("f")), two(layer("f") + "\n" + layer("g"));
  ASSERT_TRUE(one.ok() && two.ok()) << one.error() << two.error();
  Tensor x = Tensor::random({64, 128}, 1);
  std::vector<Tensor> args = {x};
  EXPECT_EQ(two.run("f", args)[0].data, two.run("g", args)[0].data);
  EXPECT_LT(two.object().size(), one.object().size() + one.object().size() / 2);
}

TEST(Task, SameInputSameBytes) {
  const char *text =
      R"(func.func @f(%x: tensor<6x4x8xf32>, %w: tensor<8x8xf32>) -> tensor<6x4x8xf32> {
    %0 = nn.matmul %x, %w : tensor<6x4x8xf32>, tensor<8x8xf32>
    %1 = nn.softmax %0 : tensor<6x4x8xf32>
    %2 = nn.gelu %1 : tensor<6x4x8xf32>
    %3 = arith.addf %2, %x : tensor<6x4x8xf32>
    return %3 : tensor<6x4x8xf32>
  })";
  Tasks first(text), second(text);
  ASSERT_TRUE(first.ok()) << first.error();
  EXPECT_EQ(first.object(), second.object());
}

TEST(Task, CompilesForANamedCPU) {
  const char *text = R"(func.func @f(%x: tensor<100xf32>) -> tensor<100xf32> {
    %0 = math.exp %x : tensor<100xf32>
    return %0 : tensor<100xf32>
  })";
  Tasks portable(text, "x86-64-v3"), unknown(text, "pentium9");
  ASSERT_TRUE(portable.ok()) << portable.error();
  EXPECT_NEAR(portable.run({Tensor({100}, 1)})[0][50], 2.718281828, 1e-6);
  EXPECT_FALSE(unknown.ok());
  EXPECT_NE(unknown.error().find("pentium9"), std::string::npos) << unknown.error();
}

namespace {

struct BadCase {
  const char *name, *text, *message;
};

void PrintTo(const BadCase &c, std::ostream *os) { *os << c.name; }

class BadTask : public testing::TestWithParam<BadCase> {};

} // namespace

TEST_P(BadTask, IsOneClearError) {
  Tasks tasks(GetParam().text);
  EXPECT_FALSE(tasks.ok());
  EXPECT_NE(tasks.error().find(GetParam().message), std::string::npos) << tasks.error();
}

INSTANTIATE_TEST_SUITE_P(
    Inputs, BadTask,
    testing::Values(
        BadCase{"f16",
                "func.func @f(%x: tensor<4xf16>) -> tensor<4xf16> {\n"
                "%0 = nn.silu %x : tensor<4xf16>\n return %0 : tensor<4xf16>\n}",
                "'nn.silu' op has element type 'f16', which the CPU target does not compute in"},
        BadCase{"parameter",
                "nn.parameter @w : tensor<1xf32> = dense<0.0> : tensor<1xf32>\n"
                "func.func @f() -> tensor<1xf32> {\n"
                "%0 = nn.get_parameter @w : tensor<1xf32>\n return %0 : tensor<1xf32>\n}",
                "nn.parameter"},
        BadCase{"dynamic",
                "func.func @f(%x: tensor<?xf32>) -> tensor<?xf32> { return %x : tensor<?xf32> }",
                "has argument 0 of type 'tensor<?xf32>'; expected a static tensor or memref"},
        BadCase{"empty",
                "func.func @f(%x: tensor<0x3xf32>) -> tensor<0x3xf32> {\n"
                "return %x : tensor<0x3xf32>\n}",
                "has argument 0 of type 'tensor<0x3xf32>'; expected a static tensor or memref with "
                "at least one element"},
        BadCase{"layout", "func.func @f(%x: memref<4xf32, strided<[2]>>) { return }",
                "expected a static shape without a layout"},
        BadCase{"read twice",
                "func.func @f(%a: memref<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {\n"
                "%0 = bufferization.to_tensor %a restrict writable : memref<4xf32> to "
                "tensor<4xf32>\n"
                "%1 = bufferization.to_tensor %a restrict writable : memref<4xf32> to "
                "tensor<4xf32>\n"
                "return %0, %1 : tensor<4xf32>, tensor<4xf32>\n}",
                "with 2 to_tensor and 0 materialize_in_destination; expected at most one of each"},
        BadCase{"call",
                "func.func private @g(tensor<4xf32>) -> tensor<4xf32>\n"
                "func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {\n"
                "%0 = call @g(%x) : (tensor<4xf32>) -> tensor<4xf32>\n"
                "return %0 : tensor<4xf32>\n}",
                "calls no function"}));
