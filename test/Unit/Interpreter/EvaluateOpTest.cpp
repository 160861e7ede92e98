//===- EvaluateOpTest.cpp - Constant folding by the interpreter ------------===//

#include "bigmac/Interpreter/Interpreter.h"

#include "dialects/NN/IR/NN.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::interpreter;

namespace {

struct EvaluateOpTest : testing::Test {
  EvaluateOpTest() {
    context.loadDialect<arith::ArithDialect, func::FuncDialect, math::MathDialect, nn::NNDialect,
                        tensor::TensorDialect>();
  }

  /// Parses a function's body and evaluates its last op, whose operands are constants.
  FailureOr<SmallVector<Attribute>> evaluate(const std::string &body) {
    module = parseSourceString<ModuleOp>("func.func @main() {\n" + body + "\nreturn\n}", &context);
    EXPECT_TRUE(module);
    auto function = module->lookupSymbol<func::FuncOp>("main");
    Operation *op = function.getBody().front().getTerminator()->getPrevNode();
    SmallVector<Attribute> operands(op->getNumOperands());
    for (auto [value, constant] : llvm::zip_equal(op->getOperands(), operands))
      EXPECT_TRUE(matchPattern(value, m_Constant(&constant)));
    EXPECT_TRUE(hasRule(op));
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
      error = diagnostic.str();
      return success();
    });
    return evaluateOp(op, operands);
  }

  std::string print(Attribute attribute) {
    std::string text;
    llvm::raw_string_ostream(text) << attribute;
    return text;
  }

  MLIRContext context{MLIRContext::Threading::DISABLED};
  OwningOpRef<ModuleOp> module;
  std::string error;
};

TEST_F(EvaluateOpTest, Tensors) {
  auto results = evaluate(R"(
    %a = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
    %b = arith.constant dense<[0.5, 4.0]> : tensor<2xf32>
    %c = arith.mulf %a, %b : tensor<2xf32>)");
  ASSERT_TRUE(succeeded(results));
  EXPECT_EQ(print(results->front()), "dense<[5.000000e-01, 8.000000e+00]> : tensor<2xf32>");
}

TEST_F(EvaluateOpTest, Scalars) {
  auto results = evaluate(R"(
    %a = arith.constant 3 : index
    %b = arith.constant -5 : index
    %c = arith.addi %a, %b : index)");
  ASSERT_TRUE(succeeded(results));
  EXPECT_EQ(print(results->front()), "-2 : index");
  results = evaluate(R"(
    %a = arith.constant 0.1 : f64
    %b = arith.truncf %a : f64 to f32)");
  ASSERT_TRUE(succeeded(results));
  EXPECT_EQ(results->front(), FloatAttr::get(Float32Type::get(&context), 0.1f));
}

TEST_F(EvaluateOpTest, ManyResults) {
  auto results = evaluate(R"(
    %a = arith.constant dense<[[3.0, 4.0]]> : tensor<1x2xf32>
    %y, %rstd = nn.rms_norm %a epsilon 0.0 : tensor<1x2xf32>)");
  ASSERT_TRUE(succeeded(results));
  ASSERT_EQ(results->size(), 2u);
  EXPECT_EQ(cast<DenseElementsAttr>((*results)[1]).getValues<float>()[0], 0.28284271247461903f);
}

TEST_F(EvaluateOpTest, SplatsStaySplats) {
  // Written out, each of these would take 8 GB.
  for (const char *op :
       {"%c = arith.addf %a, %a : tensor<1000x1000x250xf32>",
        "%c = arith.truncf %a : tensor<1000x1000x250xf32> to tensor<1000x1000x250xbf16>",
        "%c = nn.transpose %a [2, 0, 1] : tensor<1000x1000x250xf32>",
        "%c = arith.cmpf olt, %a, %a : tensor<1000x1000x250xf32>",
        "%c = tensor.extract_slice %a[0, 0, 0] [999, 999, 249] [1, 1, 1] : "
        "tensor<1000x1000x250xf32> to tensor<999x999x249xf32>",
        "%c = tensor.collapse_shape %a [[0, 1], [2]] : tensor<1000x1000x250xf32> "
        "into tensor<1000000x250xf32>"}) {
    auto results =
        evaluate(std::string("%a = arith.constant dense<2.0> : tensor<1000x1000x250xf32>\n") + op);
    ASSERT_TRUE(succeeded(results)) << op;
    EXPECT_TRUE(cast<DenseElementsAttr>(results->front()).isSplat()) << op;
  }
}

TEST_F(EvaluateOpTest, FailureIsADiagnostic) {
  EXPECT_TRUE(failed(evaluate(R"(
    %a = arith.constant dense<[1, 2]> : tensor<2xi32>
    %b = arith.constant dense<[1, 0]> : tensor<2xi32>
    %c = arith.divsi %a, %b : tensor<2xi32>)")));
  EXPECT_EQ(error, "'arith.divsi' op divides by zero at element 1");
  EXPECT_TRUE(failed(evaluate("%c = tensor.empty() : tensor<1000000x1000xf32>")));
  EXPECT_NE(error.find("at most 268435456 elements"), std::string::npos) << error;
}

TEST_F(EvaluateOpTest, WrongConstantsAreADiagnostic) {
  module = parseSourceString<ModuleOp>("func.func @main(%x: tensor<2xf32>) {\n"
                                       "%0 = arith.negf %x : tensor<2xf32>\nreturn\n}",
                                       &context);
  Operation *op = &module->lookupSymbol<func::FuncOp>("main").getBody().front().front();
  Builder builder(&context);
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    error = diagnostic.str();
    return success();
  });
  for (Attribute attribute :
       {Attribute(), Attribute(builder.getF32FloatAttr(1.0)),
        Attribute(builder.getZeroAttr(RankedTensorType::get({3}, builder.getF32Type()))),
        Attribute(builder.getZeroAttr(RankedTensorType::get({2}, builder.getI32Type())))}) {
    error.clear();
    EXPECT_TRUE(failed(evaluateOp(op, attribute)));
    EXPECT_EQ(error, "'arith.negf' op operand 0 is no constant of type 'tensor<2xf32>'");
  }
}

TEST_F(EvaluateOpTest, WhatHasNoValueOfItsOwnHasNoRule) {
  module = parseSourceString<ModuleOp>(R"(
    nn.parameter @w : tensor<2xf32> = dense<1.0> : tensor<2xf32>
    func.func @main() {
      %w = nn.get_parameter @w : tensor<2xf32>
      func.call @main() : () -> ()
      return
    })",
                                       &context);
  for (Operation &op : module->lookupSymbol<func::FuncOp>("main").getBody().front())
    EXPECT_FALSE(hasRule(&op));
}

TEST_F(EvaluateOpTest, ArgumentsMustFit) {
  module = parseSourceString<ModuleOp>(
      "func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {\nreturn %x : tensor<2xf32>\n}",
      &context);
  auto function = module->lookupSymbol<func::FuncOp>("main");
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    error = diagnostic.str();
    return success();
  });
  Type f32 = Float32Type::get(&context);
  EXPECT_TRUE(succeeded(interpret(function, Tensor::splat({2}, f32, 1))));
  EXPECT_TRUE(failed(interpret(function, {})));
  EXPECT_EQ(error, "function 'main' takes 1 arguments, given 0");
  EXPECT_TRUE(failed(interpret(function, Tensor::splat({3}, f32, 1))));
  EXPECT_EQ(error, "function 'main' argument 0 has type 'tensor<2xf32>', given 3xf32");
}

TEST_F(EvaluateOpTest, GivenParametersTakePrecedence) {
  module = parseSourceString<ModuleOp>(R"(
    nn.parameter @w : tensor<2xf32> = dense<1.0> : tensor<2xf32>
    func.func @main() -> tensor<2xf32> {
      %w = nn.get_parameter @w : tensor<2xf32>
      return %w : tensor<2xf32>
    })",
                                       &context);
  auto function = module->lookupSymbol<func::FuncOp>("main");
  InterpreterOptions options;
  options.parameters["w"] = Tensor::splat({2}, Float32Type::get(&context), 5);
  auto results = interpret(function, {}, options);
  ASSERT_TRUE(succeeded(results));
  EXPECT_EQ(results->front().at(0), 5);
  options.parameters["w"] = Tensor::splat({3}, Float32Type::get(&context), 5);
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    error = diagnostic.str();
    return success();
  });
  EXPECT_TRUE(failed(interpret(function, {}, options)));
  EXPECT_NE(error.find("the value given for it has another"), std::string::npos) << error;
}

} // namespace
