//===- Device.h - What a device driver provides ---------------------------===//
//
// One rank's arena and everything that reads or writes it. Offsets are bytes from the arena's
// start. Calls may be asynchronous, in order: each behaves as if those before it had ended, but the
// host sees results only after synchronize(). The conformance suite in cts/ says in tests what
// every driver must do.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_RT_DEVICE_H
#define BIGMAC_RT_DEVICE_H

#include "bigmac-rt/cuda.h"
#include "bigmac-rt/plan.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace bigmac::rt {

/// One AdamW step, in the order of operations of torch.optim.AdamW (single tensor). All arithmetic
/// is fp32; what is stored narrower is rounded once, as by torch's fused kernels:
///   g = grad * gradScale [* clip when clip < 1];  p *= 1 - lr * weightDecay;  m += (g - m) * (1 -
///   beta1); v = v * beta2 + (1 - beta2) * g * g;  p -= lr / c1 * m / (sqrt(v) / sqrt(c2) + eps)
/// with c1 = 1 - beta1^step and c2 = 1 - beta2^step; scalars are computed in double and rounded
/// once.
struct AdamW {
  double lr, beta1, beta2, eps, weightDecay;
  double gradScale, clip;
  uint64_t step; // counts from 1
};

/// What a step is applied to: arena offsets and the types there, BM_F32 or BM_BF16. With `master`,
/// fp32, that is what is updated, and the parameter is what it rounds to. Parameters in fp32 have
/// all else in fp32; master weights have moments in fp32.
struct AdamWShard {
  uint64_t param = 0, grad = 0, m = 0, v = 0;
  uint64_t elements = 0;
  uint64_t master = BM_NONE64;
  bm_dtype paramType = BM_F32, gradType = BM_F32, momentType = BM_F32;

  /// Throws RuntimeError where the types are others than those.
  void check() const;
};

class Device {
public:
  virtual ~Device() = default;
  virtual std::string name() const = 0;

  /// Called once, before everything below; the arena is all zero. Throws RuntimeError when there is
  /// not enough memory.
  virtual void allocateArena(uint64_t bytes) = 0;
  /// The pointer that tasks and communication drivers take.
  virtual void *address(uint64_t offset) = 0;
  /// Bytes of the arena, and of the workspace beside it, that are backed by memory now.
  virtual uint64_t residentBytes() const = 0;
  /// Bytes of the device's own memory that are in use, whoever uses them; 0 where it has none.
  virtual uint64_t usedBytes() const = 0;
  /// Whether address() is memory that the host may write when the program gets there.
  virtual bool isHost() const = 0;
  /// Zeroed memory of the host that lives as long as the device, aligned to 64 bytes. Uploads from
  /// it and downloads into it run while the host goes on.
  virtual void *hostMemory(uint64_t bytes) = 0;

  /// The source may change when this returns, except hostMemory(): that must stay until
  /// synchronize().
  virtual void upload(uint64_t offset, const void *source, uint64_t bytes) = 0;
  virtual void download(void *target, uint64_t offset, uint64_t bytes) = 0;
  /// Sets every byte to `value`.
  virtual void fill(uint64_t offset, uint8_t value, uint64_t bytes) = 0;
  virtual void copy(uint64_t offset, uint64_t source, uint64_t bytes) = 0;
  virtual void run(bm_task_fn task, void *const *args) = 0;
  virtual void synchronize() = 0;

  /// Copies between the arena and hostMemory() that run beside later calls, each known by a number
  /// below what was prepared; one number has one copy at a time. A copy comes after the calls
  /// before it; calls after await() come after the copy. Until then its target must not be touched
  /// and its source not be written, by calls or by the host. Copies of one direction are in order.
  virtual void prepareCopies(uint32_t count) = 0;
  virtual void offload(uint32_t copy, void *target, uint64_t offset, uint64_t bytes) = 0;
  virtual void fetch(uint32_t copy, uint64_t offset, const void *source, uint64_t bytes) = 0;
  virtual void await(uint32_t copy) = 0;

  /// A list of calls that is the same every time, as `slot` 0 or 1. The caller writes
  ///   if (!device.replay(slot)) { device.beginList(slot); ...calls...; device.endList(); }
  /// and a driver may keep the calls of the first time, arguments and all, to start them at once
  /// later (replay() is true then). In a list, uploads and downloads use hostMemory() only, and
  /// synchronize() does not occur; transfers of a communicator, and copies, that were started in a
  /// list end in it.
  virtual bool replay(uint32_t slot) = 0;
  virtual void beginList(uint32_t slot) = 0;
  virtual void endList() = 0;

  /// In a list: remembers when the calls so far are done, as mark `index` < `count`. After
  /// synchronize(), markTime() is that moment on the clock of nowNs(), in nanoseconds.
  virtual void prepareMarks(uint32_t count) = 0;
  virtual void mark(uint32_t index) = 0;
  virtual uint64_t markTime(uint32_t index) const = 0;
  /// Names what follows for a profiler, until the next name; null ends it. `name` must stay.
  virtual void label(const char *name) = 0;

  // `type`: BM_F32 or BM_BF16. Arithmetic is fp32; a bf16 result is rounded once.

  /// target[i] = sources[0][i] + sources[1][i] + ..., summed in that order. The target may be one
  /// of the sources.
  virtual void sum(void *target, std::span<const void *const> sources, uint64_t elements,
                   bm_dtype type = BM_F32) = 0;
  /// *result (in hostMemory()) = the sum of squares in double, in an order that depends on
  /// `elements` only; NaN or infinity in the values gives NaN or infinity.
  virtual void sumSquares(double *result, uint64_t offset, uint64_t elements,
                          bm_dtype type = BM_F32) = 0;
  virtual void scale(uint64_t offset, uint64_t elements, double factor, bm_dtype type = BM_F32) = 0;
  virtual void adamW(const AdamW &how, const AdamWShard &shard) = 0;
};

/// Nanoseconds on this machine's monotonic clock.
uint64_t nowNs();

/// The CPU driver: the arena is anonymous memory, calls are synchronous. `threads`: of library
/// calls.
std::unique_ptr<Device> makeCpuDevice(uint32_t threads);

/// The CUDA driver: GPU `ordinal` of this process; the arena is one allocation, calls are on one
/// stream, lists become CUDA graphs. `program`: the kernels and library calls of its tasks; null if
/// they have none. allocateArena() prepares the library calls; `deterministic`: in the same way in
/// every run, else by timing. One at a time. A process that sees one GPU only has that one,
/// whatever `ordinal`. RuntimeError where the driver, a library or that GPU is missing.
std::unique_ptr<Device> makeCudaDevice(uint32_t ordinal, const bm_cuda_program *program,
                                       bool deterministic = false);

/// How many GPUs this process sees; 0, and the reason in `why`, where it cannot use any.
uint32_t countCudaDevices(std::string &why);

} // namespace bigmac::rt

#endif // BIGMAC_RT_DEVICE_H
