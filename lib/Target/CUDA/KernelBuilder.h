//===- KernelBuilder.h - Pieces that kernels are made of --------*- C++ -*-===//

#ifndef BIGMAC_TARGET_CUDA_KERNELBUILDER_H
#define BIGMAC_TARGET_CUDA_KERNELBUILDER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/IRMapping.h"

namespace bigmac::cuda {

/// Kernel `number` of a task: a name that device code can have.
std::string kernelName(llvm::StringRef task, llvm::StringRef kind, unsigned number);

/// Builds one gpu.func: index arithmetic on constants, vectors, sums across threads.
class KernelBuilder : public mlir::OpBuilder {
public:
  KernelBuilder(mlir::OpBuilder builder, mlir::Location loc) : OpBuilder(builder), loc(loc) {}

  /// An empty kernel that is launched with so many threads a block; `shared` are its buffers in
  /// workgroup memory.
  mlir::gpu::GPUFuncOp createKernel(llvm::StringRef name, mlir::TypeRange arguments,
                                    mlir::TypeRange shared, int64_t threads);

  /// Of a buffer in workgroup memory.
  mlir::MemRefType workgroupType(llvm::ArrayRef<int64_t> sizes, mlir::Type element);

  mlir::Value index(int64_t value);
  mlir::Value add(mlir::Value a, mlir::Value b);
  mlir::Value mul(mlir::Value a, int64_t b);
  mlir::Value div(mlir::Value a, int64_t b);
  mlir::Value rem(mlir::Value a, int64_t b);
  mlir::Value less(mlir::Value a, mlir::Value b);
  mlir::Value splat(mlir::Value scalar, int64_t size);

  /// `kind`'s neutral element, of a scalar or vector type.
  mlir::Value neutral(mlir::arith::AtomicRMWKind kind, mlir::Type type);
  mlir::Value combine(mlir::arith::AtomicRMWKind kind, mlir::Value a, mlir::Value b);
  /// The elements of a vector combined in a fixed order.
  mlir::Value reduceVector(mlir::arith::AtomicRMWKind kind, mlir::Value vector);
  /// `value` combined over `width` neighbouring lanes of a warp (a power of two, at most 32); every
  /// lane gets the result, computed in the same order.
  mlir::Value reduceLanes(mlir::arith::AtomicRMWKind kind, mlir::Value value, int64_t width);

  /// `vector` with its bits hidden from optimizations: what was computed from it before is not
  /// known to be the same as what is computed from the result. Of whole 32-bit words.
  mlir::Value opaque(mlir::Value vector);

  /// The body of `op` for given operand values: scalars (size 0), or vectors of `size` elements
  /// that start at `column`. Returns what it yields, or with `stopAt` that value of the body.
  llvm::SmallVector<mlir::Value> emitBody(mlir::linalg::GenericOp op, mlir::ValueRange arguments,
                                          int64_t size, mlir::Value column,
                                          llvm::ArrayRef<mlir::Value> wanted);

  mlir::Location loc;
  /// Rows of bf16 come in and go out, so that arithmetic in between need not be exact to f32's last
  /// place. math.exp becomes ex2.approx of a rounded product, 2 instructions of PTX in place of 10,
  /// off by at most 2 + 1.2 |x| units there (CUDA Programming Guide on __expf); arith.divf becomes
  /// div.approx, 2 units (and 0 where the divisor is above 2^126); math.erf becomes arithmetic with
  /// one such quotient, math.erfc a polynomial of one and an exponential.
  bool approximate = false;
  /// What values from outside of bodies are here: counters of rows.
  mlir::IRMapping outer;
};

} // namespace bigmac::cuda

#endif // BIGMAC_TARGET_CUDA_KERNELBUILDER_H
