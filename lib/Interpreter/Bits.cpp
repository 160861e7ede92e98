//===- Bits.cpp - Rounding to element types and their bit patterns ---------===//

#include "Bits.h"

#include "bigmac/Interpreter/Tensor.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/Support/MathExtras.h"

#include <bit>
#include <cmath>
#include <limits>

using namespace mlir;

namespace bigmac::interpreter {

static APFloat convert(double value, Type type) {
  APFloat result(value);
  bool losesInfo = false;
  result.convert(cast<FloatType>(type).getFloatSemantics(), APFloat::rmNearestTiesToEven,
                 &losesInfo);
  return result;
}

/// Rounds to `precision` significant bits where the smallest normal exponent is `minExponent` and
/// the largest value is `largest`. Faster than APFloat, for the 16-bit types that models use.
static double roundToPrecision(double value, int precision, int minExponent, double largest) {
  if (value == 0 || !std::isfinite(value))
    return value;
  int quantum = std::max(std::ilogb(value), minExponent) - (precision - 1);
  double rounded = std::ldexp(std::nearbyint(std::ldexp(value, -quantum)), quantum);
  if (std::abs(rounded) > largest)
    return std::copysign(std::numeric_limits<double>::infinity(), value);
  return rounded;
}

double roundToFloatType(double value, Type type) {
  if (type.isF64())
    return value;
  if (type.isF32())
    return static_cast<float>(value);
  if (type.isBF16())
    return roundToPrecision(value, 8, -126, 0x1.fep127);
  if (type.isF16())
    return roundToPrecision(value, 11, -14, 65504.0);
  APFloat result = convert(value, type);
  bool losesInfo = false;
  result.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &losesInfo);
  return result.convertToDouble();
}

uint64_t floatToBits(double value, Type type) {
  if (type.isF64())
    return std::bit_cast<uint64_t>(value);
  if (type.isF32())
    return std::bit_cast<uint32_t>(static_cast<float>(value));
  return convert(value, type).bitcastToAPInt().getZExtValue();
}

double floatFromBits(uint64_t bits, Type type) {
  if (type.isF64())
    return std::bit_cast<double>(bits);
  if (type.isF32())
    return std::bit_cast<float>(static_cast<uint32_t>(bits));
  if (type.isBF16())
    return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  auto floatType = cast<FloatType>(type);
  APFloat value(floatType.getFloatSemantics(), APInt(floatType.getWidth(), bits));
  bool losesInfo = false;
  value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &losesInfo);
  return value.convertToDouble();
}

unsigned integerWidth(Type type) {
  return type.isIndex() ? 64 : cast<IntegerType>(type).getWidth();
}

int64_t wrapToIntegerType(int64_t value, Type type) {
  unsigned width = integerWidth(type);
  return width == 1 ? value & 1 : llvm::SignExtend64(value, width);
}

bool isSupportedElementType(Type type) {
  if (auto floatType = dyn_cast<FloatType>(type))
    return floatType.getWidth() <= 64;
  if (auto integer = dyn_cast<IntegerType>(type))
    return integer.isSignless() && integer.getWidth() >= 1 && integer.getWidth() <= 64;
  return type.isIndex();
}

unsigned elementBytes(Type type) {
  return isa<FloatType>(type) ? (cast<FloatType>(type).getWidth() + 7) / 8
                              : (integerWidth(type) + 7) / 8;
}

} // namespace bigmac::interpreter
