//===- TensorTest.cpp - Elements, rounding and attributes ------------------===//

#include "bigmac/Interpreter/Tensor.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/APFloat.h"
#include "gtest/gtest.h"

#include <cmath>
#include <limits>
#include <random>

using namespace mlir;
using bigmac::interpreter::roundToFloatType;
using bigmac::interpreter::Tensor;

namespace {

struct TensorTest : testing::Test {
  MLIRContext context{MLIRContext::Threading::DISABLED};
  Builder builder{&context};

  static std::string print(const Tensor &tensor, int digits = 0) {
    std::string text;
    llvm::raw_string_ostream os(text);
    tensor.print(os, digits);
    return text;
  }
};

/// What APFloat, which is slow and certain, rounds to.
double roundByAPFloat(double value, Type type) {
  APFloat result(value);
  bool losesInfo = false;
  result.convert(cast<FloatType>(type).getFloatSemantics(), APFloat::rmNearestTiesToEven,
                 &losesInfo);
  result.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &losesInfo);
  return result.convertToDouble();
}

TEST_F(TensorTest, RoundsAsAPFloatDoes) {
  std::vector<double> values = {0.0,        -0.0,    1.0 + 0x1p-8, 1.0 + 0x1.8p-7, 65504.0,
                                65519.9,    65520.,  0x1.fep127,   0x1.ffp127,     0x1.feffp127,
                                0x1p-24,    0x1p-25, 0x1.8p-25,    0x1p-133,       0x1p-134,
                                0x1.8p-134, 1e308,   5e-324,       -65520.0,       -0x1.8p-25};
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> mantissa(-2, 2);
  std::uniform_int_distribution<int> exponent(-160, 140);
  for (int i = 0; i < 20000; ++i)
    values.push_back(std::ldexp(mantissa(random), exponent(random)));
  for (Type type :
       {Type(builder.getBF16Type()), Type(builder.getF16Type()), Type(builder.getF32Type()),
        Type(builder.getF64Type()), Type(builder.getType<Float8E5M2Type>())})
    for (double value : values) {
      double expected = roundByAPFloat(value, type), found = roundToFloatType(value, type);
      ASSERT_EQ(found, expected) << "rounding " << value;
      ASSERT_EQ(std::signbit(found), std::signbit(expected)) << "rounding " << value;
    }
  EXPECT_TRUE(std::isnan(roundToFloatType(std::nan(""), builder.getBF16Type())));
  EXPECT_EQ(roundToFloatType(-INFINITY, builder.getF16Type()), -INFINITY);
}

TEST_F(TensorTest, AttributesRoundTrip) {
  auto check = [&](Type element, ArrayRef<Attribute> values) {
    auto type = RankedTensorType::get({static_cast<int64_t>(values.size())}, element);
    Attribute attribute = DenseElementsAttr::get(type, values);
    FailureOr<Tensor> tensor = Tensor::fromAttribute(attribute);
    ASSERT_TRUE(succeeded(tensor));
    EXPECT_EQ(tensor->toAttribute(type), attribute);
  };
  for (Type type :
       {Type(builder.getF64Type()), Type(builder.getF32Type()), Type(builder.getF16Type()),
        Type(builder.getBF16Type()), Type(builder.getType<Float8E4M3FNType>())})
    check(type, {FloatAttr::get(type, 1.5), FloatAttr::get(type, -0.25), FloatAttr::get(type, 0)});
  for (unsigned width : {4, 8, 16, 32, 64}) {
    Type type = builder.getIntegerType(width);
    check(type, {IntegerAttr::get(type, 7), IntegerAttr::get(type, -1),
                 IntegerAttr::get(type, APInt::getSignedMinValue(width))});
  }
  check(builder.getI1Type(),
        {builder.getBoolAttr(true), builder.getBoolAttr(false), builder.getBoolAttr(true)});
  check(builder.getIndexType(), {builder.getIndexAttr(3), builder.getIndexAttr(-4)});
}

TEST_F(TensorTest, EmptyAndSplatAttributesRoundTrip) {
  for (Type element :
       {Type(builder.getF32Type()), Type(builder.getI1Type()), Type(builder.getI64Type())}) {
    auto none = RankedTensorType::get({0, 3}, element);
    FailureOr<Tensor> empty =
        Tensor::fromAttribute(DenseElementsAttr::get(none, ArrayRef<Attribute>()));
    ASSERT_TRUE(succeeded(empty));
    EXPECT_EQ(empty->size(), 0);
    EXPECT_EQ(cast<DenseElementsAttr>(empty->toAttribute(none)).getNumElements(), 0);
    auto type = RankedTensorType::get({1000, 1000, 1000}, element);
    Attribute one = DenseElementsAttr::get(type, builder.getOneAttr(element));
    FailureOr<Tensor> splat = Tensor::fromAttribute(one);
    ASSERT_TRUE(succeeded(splat));
    EXPECT_TRUE(splat->isSplat());
    EXPECT_EQ(splat->toAttribute(type), one);
  }
}

TEST_F(TensorTest, ReadsResourcesAndRefusesOthers) {
  std::vector<float> values = {1.0f, 2.0f};
  auto type = RankedTensorType::get({2}, builder.getF32Type());
  auto resource = DenseF32ResourceElementsAttr::get(
      type, "values", HeapAsmResourceBlob::allocateAndCopyInferAlign<float>(values));
  FailureOr<Tensor> tensor = Tensor::fromAttribute(resource);
  ASSERT_TRUE(succeeded(tensor));
  EXPECT_EQ(print(*tensor), "tensor<2xf32> = [1, 2]");
  EXPECT_TRUE(failed(Tensor::fromAttribute(builder.getStringAttr("text"))));
  EXPECT_TRUE(failed(Tensor::fromAttribute(Attribute())));
  auto wide = RankedTensorType::get({1}, builder.getIntegerType(128));
  EXPECT_TRUE(failed(Tensor::fromAttribute(builder.getZeroAttr(wide))));
}

TEST_F(TensorTest, BytesMustFit) {
  std::vector<char> bytes = {0, 0, char(0x80), char(0x3f), 1, 2, 3, 4};
  FailureOr<Tensor> one =
      Tensor::fromBytes({1}, builder.getF32Type(), ArrayRef<char>(bytes).take_front(4));
  ASSERT_TRUE(succeeded(one));
  EXPECT_EQ(one->at(0), 1.0);
  EXPECT_TRUE(failed(Tensor::fromBytes({1}, builder.getF32Type(), bytes)));
  EXPECT_TRUE(failed(Tensor::fromBytes({1}, builder.getIntegerType(128), bytes)));
}

TEST_F(TensorTest, CopiesAreIndependent) {
  Tensor a = Tensor::fromFloats({2}, builder.getF32Type(), {1, 2});
  Tensor b = a;
  b.mutableFloats()[0] = 5;
  EXPECT_EQ(a.at(0), 1);
  Tensor c = a.reshaped({2, 1});
  c.mutableFloats()[1] = 7;
  EXPECT_EQ(a.at(1), 2);
  Tensor s = Tensor::splatInt({3}, builder.getI64Type(), 4);
  Tensor t = s;
  t.mutableInts()[2] = 9;
  EXPECT_TRUE(s.isSplat());
  EXPECT_EQ(s.intAt(2), 4);
  EXPECT_EQ(t.intAt(1), 4);
  Tensor d = Tensor::fromFloats({1}, builder.getF32Type(), {0.1});
  Tensor e = d;
  e.roundToType();
  EXPECT_EQ(d.at(0), 0.1);
  EXPECT_EQ(e.at(0), 0.1f);
}

TEST_F(TensorTest, IntegersWrap) {
  Tensor a = Tensor::fromInts({3}, builder.getIntegerType(8), {127, 128, -129});
  a.roundToType();
  EXPECT_EQ(print(a), "tensor<3xi8> = [127, -128, 127]");
  Tensor b = Tensor::fromInts({2}, builder.getI1Type(), {-1, 2});
  b.roundToType();
  EXPECT_EQ(print(b), "tensor<2xi1> = [1, 0]");
}

TEST_F(TensorTest, Prints) {
  EXPECT_EQ(print(Tensor::splat({}, builder.getF32Type(), 0.1f)), "tensor<f32> = 0.1");
  EXPECT_EQ(print(Tensor::splat({}, builder.getF64Type(), 0.1f)),
            "tensor<f64> = 0.10000000149011612");
  EXPECT_EQ(print(Tensor::fromFloats({2, 1, 2}, builder.getF64Type(),
                                     {1, -INFINITY, std::nan(""), 1.0 / 3})),
            "tensor<2x1x2xf64> = [[[1, -inf]], [[nan, 0.3333333333333333]]]");
  EXPECT_EQ(print(Tensor::splat({2}, builder.getF64Type(), 1.0 / 3), 3),
            "tensor<2xf64> = [0.333, 0.333]");
  EXPECT_EQ(print(Tensor({2, 0}, builder.getF32Type())), "tensor<2x0xf32> = [[], []]");
}

} // namespace
