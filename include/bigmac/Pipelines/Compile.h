//===- Compile.h - The levels of compilation --------------------*- C++ -*-===//
//
// import -> training -> pipeline -> scheduled -> rt -> llvm, exe (docs/Architecture.md). A module
// is at the level that its contents say; compiling lowers it from there, so what one level prints
// can be fed back in.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_PIPELINES_COMPILE_H
#define BIGMAC_PIPELINES_COMPILE_H

#include "bigmac/Planning/AutoSearch.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"

#include <optional>
#include <string>
#include <vector>

namespace bigmac {

enum class Level { Import, Training, Pipeline, Scheduled, RT, LLVM, Executable };

/// "import", "training", "pipeline", "scheduled", "rt", "llvm", "exe".
std::optional<Level> parseLevel(llvm::StringRef name);
llvm::StringRef levelName(Level level);

/// The level that a module's contents are of.
Level levelOf(mlir::ModuleOp module);

struct CompileOptions {
  /// "cpu" or "cuda".
  std::string target = "cpu";
  int64_t ranks = 1, chunks = 1, replicas = 1;
  /// 0: as many as ranks.
  int64_t microbatches = 0;
  std::string schedule = "bigmac";
  int64_t effort = 1;
  /// Which projections of one value become one product: "none", "all", or "auto": all where the
  /// target gains by it.
  std::string packProjections = "auto";
  /// What libraries compute at the end of a product: "none", or "auto": what they can.
  std::string epilogues = "auto";
  /// Prefer schedules that lose little when times vary.
  bool robust = false;
  /// ROLE=GLOB, see pipeline-partition.
  std::vector<std::string> components;
  /// Name of the output that weights each microbatch's loss; empty: the plain mean.
  std::string lossWeight;
  /// The device that is planned for: a built-in name, or a description's file.
  std::string device = "cpu";
  /// A trace whose measured times replace analytic ones; empty: none.
  std::string profile;
  /// Bytes a rank may use; 0: no limit.
  int64_t memoryLimit = 0;
  /// What backwards compute again: "none", "full", or "auto": what the memory limit needs.
  std::string recompute = "auto";
  /// What waits in the host's memory between forward and backward: "none", "all", or "auto": what
  /// the memory limit needs, where it pays and the device's memory is not the host's.
  std::string offload = "auto";
  /// Bytes of the host's memory that a rank may use for that; 0: what the device's description
  /// says.
  int64_t hostLimit = 0;
  /// Bytes of activations that the schedule may hold, as its costs count them; 0: no limit.
  uint64_t activationLimit = 0;
  /// "fp32" or "bf16"; with bf16 master weights "fp32" or "none", and gradients "fp32" or "bf16".
  std::string precision = "fp32", master = "fp32", grads = "fp32";
  /// As clang's -march; of programs for CPUs.
  std::string cpu = "native";
  /// Bytes for library calls on a GPU; 0: what they are known to want.
  uint64_t workspace = 0;
  /// Folder of compiled task objects by content; empty: none is kept.
  std::string cacheFolder;
  /// The model's name, for reports.
  std::string modelName;
  /// The command line, for reports.
  std::string commandLine;
  /// FILE.json, or FILE.html for a page; empty: none, "-": JSON on standard output.
  std::string report;
  /// What these options were chosen from (Auto.h); for reports.
  planning::AutoRanking ranking;
  /// Prints each phase's seconds to standard error.
  bool timing = false;
};

/// Passes that lower a module from one level to a later one, up to `rt` exclusive.
void buildTrainingPipeline(mlir::OpPassManager &passes, const CompileOptions &options);
void buildPartitionPipeline(mlir::OpPassManager &passes, const CompileOptions &options);
/// `recompute`: entries of pipeline-differentiate's option.
void buildDifferentiatePipeline(mlir::OpPassManager &passes, const CompileOptions &options,
                                llvm::ArrayRef<std::string> recompute);
void buildSchedulePipeline(mlir::OpPassManager &passes, const CompileOptions &options);
/// `values`: numbers of what waits in the host's memory, if `options` do not say all or nothing.
void buildOffloadPipeline(mlir::OpPassManager &passes, const CompileOptions &options,
                          llvm::ArrayRef<int64_t> values);

/// Lowers `module` to `target`, which is not LLVM or Executable; errors are diagnostics.
mlir::LogicalResult lowerTo(mlir::ModuleOp module, Level target, const CompileOptions &options);

/// Prints the LLVM IR of the module's task functions.
mlir::LogicalResult printLLVM(mlir::ModuleOp module, const CompileOptions &options,
                              llvm::raw_ostream &os);

/// Compiles and links the training executable `output`, and writes `output`.safetensors with the
/// initial weights beside it.
mlir::LogicalResult compileExecutable(mlir::ModuleOp module, const CompileOptions &options,
                                      llvm::StringRef output);

} // namespace bigmac

#endif // BIGMAC_PIPELINES_COMPILE_H
