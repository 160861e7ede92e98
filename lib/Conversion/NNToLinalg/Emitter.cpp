//===- Emitter.cpp - Short forms for building linalg -----------------------===//

#include "Emitter.h"

#include "dialects/NN/IR/NN.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

#include <limits>

using namespace mlir;
using namespace bigmac;
using namespace bigmac::lowering;

//===----------------------------------------------------------------------===//
// Scalars
//===----------------------------------------------------------------------===//

static constexpr arith::FastMathFlags kContract = arith::FastMathFlags::contract;

Value Emitter::constant(Type type, double value) {
  TypedAttr attr = isa<FloatType>(type)
                       ? TypedAttr(builder.getFloatAttr(type, value))
                       : TypedAttr(builder.getIntegerAttr(type, static_cast<int64_t>(value)));
  return arith::ConstantOp::create(builder, loc, attr);
}
Value Emitter::index(int64_t value) { return arith::ConstantIndexOp::create(builder, loc, value); }
Value Emitter::add(Value a, Value b) {
  return arith::AddFOp::create(builder, loc, a, b, kContract);
}
Value Emitter::sub(Value a, Value b) {
  return arith::SubFOp::create(builder, loc, a, b, kContract);
}
Value Emitter::mul(Value a, Value b) {
  return arith::MulFOp::create(builder, loc, a, b, kContract);
}
Value Emitter::div(Value a, Value b) { return arith::DivFOp::create(builder, loc, a, b); }
Value Emitter::neg(Value a) { return arith::NegFOp::create(builder, loc, a); }
Value Emitter::exp(Value a) { return math::ExpOp::create(builder, loc, a); }
Value Emitter::log(Value a) { return math::LogOp::create(builder, loc, a); }
Value Emitter::tanh(Value a) { return math::TanhOp::create(builder, loc, a); }
Value Emitter::erfc(Value a) { return math::ErfcOp::create(builder, loc, a); }
Value Emitter::rsqrt(Value a) {
  return div(constant(a.getType(), 1.0), math::SqrtOp::create(builder, loc, a));
}
Value Emitter::accumulate(Value a, Value b) {
  if (isa<FloatType>(a.getType()))
    return arith::AddFOp::create(builder, loc, a, b, kContract | arith::FastMathFlags::reassoc);
  return arith::AddIOp::create(builder, loc, a, b);
}
Value Emitter::maximum(Value a, Value b) {
  // Which zero wins does not matter, and not to care is cheaper.
  if (isa<FloatType>(a.getType()))
    return arith::MaximumFOp::create(builder, loc, a, b, arith::FastMathFlags::nsz);
  return a.getType().isInteger(1) ? Value(arith::MaxUIOp::create(builder, loc, a, b))
                                  : Value(arith::MaxSIOp::create(builder, loc, a, b));
}
Value Emitter::select(Value condition, Value a, Value b) {
  return arith::SelectOp::create(builder, loc, condition, a, b);
}
Value Emitter::widen(Value a) {
  Type type = a.getType();
  if (!isa<FloatType>(type) || nn::computeType(type) == type)
    return a;
  return arith::ExtFOp::create(builder, loc, nn::computeType(type), a);
}
Value Emitter::roundTo(Type type, Value a) {
  if (a.getType() == type)
    return a;
  auto extend = a.getDefiningOp<arith::ExtFOp>();
  if (extend && extend.getIn().getType() == type)
    return extend.getIn();
  return arith::TruncFOp::create(builder, loc, type, a);
}
Value Emitter::toIndex(Value a) {
  return arith::IndexCastOp::create(builder, loc, builder.getIndexType(), a);
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

Value Emitter::empty(ArrayRef<int64_t> shape, Type element) {
  return tensor::EmptyOp::create(builder, loc, shape, element);
}

Value Emitter::filled(ArrayRef<int64_t> shape, Value scalar) {
  return linalg::FillOp::create(builder, loc, scalar, empty(shape, scalar.getType())).getResult(0);
}

static AffineMap mapOf(MLIRContext *context, unsigned rank, ArrayRef<int64_t> dims) {
  SmallVector<unsigned> targets(dims.begin(), dims.end());
  if (targets.empty())
    return AffineMap::get(rank, 0, context);
  return AffineMap::getMultiDimMapWithTargets(rank, targets, context);
}

SmallVector<Value> Emitter::generic(unsigned rank, ArrayRef<Access> inputs,
                                    ArrayRef<Access> outputs, Body body) {
  SmallVector<AffineMap> maps;
  SmallVector<Value> ins, outs;
  SmallVector<Type> types;
  SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::reduction);
  for (const Access &access : inputs) {
    maps.push_back(mapOf(builder.getContext(), rank, access.dims));
    ins.push_back(access.tensor);
  }
  for (const Access &access : outputs) {
    maps.push_back(mapOf(builder.getContext(), rank, access.dims));
    outs.push_back(access.tensor);
    types.push_back(access.tensor.getType());
    for (int64_t dim : access.dims)
      iterators[dim] = utils::IteratorType::parallel;
  }
  auto op = linalg::GenericOp::create(builder, loc, types, ins, outs, maps, iterators,
                                      [&](OpBuilder &nested, Location, ValueRange args) {
                                        Emitter emitter(nested, loc);
                                        linalg::YieldOp::create(nested, loc, body(emitter, args));
                                      });
  return SmallVector<Value>(op->getResults());
}

/// Calls `body` with its arguments widened; `element` is what its result is rounded to. What is
/// only moved leaves widenings without a use.
static Value inWide(Emitter &e, ValueRange args, Type element,
                    llvm::function_ref<Value(Emitter &, ValueRange)> body) {
  SmallVector<Value> wide = llvm::map_to_vector(args, [&](Value arg) { return e.widen(arg); });
  return e.roundTo(element, body(e, wide));
}

static Type computeType(Type element) {
  return isa<FloatType>(element) ? nn::computeType(element) : element;
}

static SmallVector<int64_t> iota(int64_t count) {
  return llvm::to_vector(llvm::seq<int64_t>(0, count));
}

Value Emitter::map(ArrayRef<int64_t> shape, Type element, ArrayRef<Access> inputs,
                   llvm::function_ref<Value(Emitter &, ValueRange)> body) {
  unsigned rank = shape.size();
  return generic(rank, inputs, {{empty(shape, element), iota(rank)}},
                 [&](Emitter &e, ValueRange args) -> SmallVector<Value> {
                   return {inWide(e, args.drop_back(), element, body)};
                 })[0];
}

Value Emitter::widenTensor(Value tensor) {
  RankedTensorType type = typeOf(tensor);
  return roundTensor(tensor, computeType(type.getElementType()));
}

Value Emitter::roundTensor(Value tensor, Type element) {
  RankedTensorType type = typeOf(tensor);
  if (type.getElementType() == element)
    return tensor;
  return map(type.getShape(), element, {{tensor, iota(type.getRank())}},
             [](Emitter &, ValueRange args) { return args[0]; });
}

static SmallVector<int64_t> gather(ArrayRef<int64_t> shape, ArrayRef<int64_t> dims) {
  return llvm::map_to_vector(dims, [&](int64_t dim) { return shape[dim]; });
}

Value Emitter::sum(ArrayRef<int64_t> shape, ArrayRef<int64_t> kept, Type element,
                   ArrayRef<Access> inputs, llvm::function_ref<Value(Emitter &, ValueRange)> body) {
  Type wide = computeType(element);
  Value init = filled(gather(shape, kept), wide, 0.0);
  Value result =
      generic(shape.size(), inputs, {{init, llvm::to_vector(kept)}},
              [&](Emitter &e, ValueRange args) -> SmallVector<Value> {
                return {e.accumulate(args.back(), inWide(e, args.drop_back(), wide, body))};
              })[0];
  return roundTensor(result, element);
}

Value Emitter::max(ArrayRef<int64_t> shape, ArrayRef<int64_t> kept, Type element,
                   ArrayRef<Access> inputs, llvm::function_ref<Value(Emitter &, ValueRange)> body) {
  Value least;
  Type wide = computeType(element);
  if (isa<FloatType>(element)) {
    least = constant(wide, -std::numeric_limits<double>::infinity());
  } else {
    unsigned width = element.getIntOrFloatBitWidth();
    APInt value = width == 1 ? APInt(1, 0) : APInt::getSignedMinValue(width);
    least = arith::ConstantOp::create(builder, loc, builder.getIntegerAttr(element, value));
  }
  Value init = filled(gather(shape, kept), least);
  Value result = generic(shape.size(), inputs, {{init, llvm::to_vector(kept)}},
                         [&](Emitter &e, ValueRange args) -> SmallVector<Value> {
                           return {e.maximum(args.back(), inWide(e, args.drop_back(), wide, body))};
                         })[0];
  return roundTensor(result, element);
}

Value Emitter::contract(unsigned rank, Access lhs, Access rhs, Access init) {
  SmallVector<AffineMap> maps;
  for (const Access *access : {&lhs, &rhs, &init})
    maps.push_back(mapOf(builder.getContext(), rank, access->dims));
  return linalg::ContractOp::create(builder, loc, TypeRange{init.tensor.getType()},
                                    ValueRange{lhs.tensor, rhs.tensor}, ValueRange{init.tensor},
                                    builder.getAffineMapArrayAttr(maps))
      .getResult(0);
}

//===----------------------------------------------------------------------===//
// Loops, indices, slices
//===----------------------------------------------------------------------===//

SmallVector<Value>
Emitter::loop(int64_t trips, ValueRange inits,
              llvm::function_ref<SmallVector<Value>(Emitter &, Value, ValueRange)> body) {
  if (trips == 1)
    return body(*this, index(0), inits);
  auto op = scf::ForOp::create(builder, loc, index(0), index(trips), index(1), inits,
                               [&](OpBuilder &nested, Location, Value iv, ValueRange carried) {
                                 Emitter emitter(nested, loc);
                                 scf::YieldOp::create(nested, loc, body(emitter, iv, carried));
                               });
  return SmallVector<Value>(op->getResults());
}

Value Emitter::checkedIndex(Value index, int64_t size, bool wrap) {
  Type type = builder.getI64Type();
  Value wide = index.getType() == type
                   ? index
                   : Value(arith::IndexCastOp::create(builder, loc, type, toIndex(index)));
  Value zero = arith::ConstantIntOp::create(builder, loc, 0, 64);
  Value limit = arith::ConstantIntOp::create(builder, loc, size, 64);
  Value position = wide;
  if (wrap) {
    Value negative = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, wide, zero);
    position = select(negative, arith::AddIOp::create(builder, loc, wide, limit), wide);
  }
  // Unsigned: a negative position is a huge one.
  Value outside = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::uge, position, limit);
  scf::IfOp::create(builder, loc, outside, [&](OpBuilder &nested, Location) {
    func::CallOp::create(nested, loc, kIndexErrorName, TypeRange(), ValueRange{wide, limit});
    scf::YieldOp::create(nested, loc);
  });
  return toIndex(position);
}

Value Emitter::slice(Value tensor, ArrayRef<OpFoldResult> offsets, ArrayRef<int64_t> sizes,
                     ArrayRef<int64_t> keptDims) {
  auto type = RankedTensorType::get(gather(sizes, keptDims), typeOf(tensor).getElementType());
  SmallVector<OpFoldResult> strides(offsets.size(), builder.getIndexAttr(1));
  return tensor::ExtractSliceOp::create(builder, loc, type, tensor, offsets,
                                        getAsIndexOpFoldResult(builder.getContext(), sizes),
                                        strides);
}

Value Emitter::insert(Value part, Value into, ArrayRef<OpFoldResult> offsets,
                      ArrayRef<int64_t> sizes) {
  SmallVector<OpFoldResult> strides(offsets.size(), builder.getIndexAttr(1));
  return tensor::InsertSliceOp::create(builder, loc, part, into, offsets,
                                       getAsIndexOpFoldResult(builder.getContext(), sizes),
                                       strides);
}
