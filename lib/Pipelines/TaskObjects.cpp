//===- TaskObjects.cpp - Compiled task functions, cached -------------------===//

#include "TaskObjects.h"

#include "bigmac-rt/Hash.h"
#include "bigmac/Target/CUDA.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/AsmState.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/TargetParser/Host.h"

using namespace mlir;
using namespace bigmac;

OwningOpRef<ModuleOp> bigmac::taskFunctions(ModuleOp module) {
  OwningOpRef<ModuleOp> tasks = ModuleOp::create(module.getLoc(), "tasks");
  OpBuilder builder(tasks->getBodyRegion());
  for (auto function : module.getOps<func::FuncOp>())
    if (function.isPublic())
      builder.clone(*function);
  // Passes may visit a value's uses in the order in which they were made, which text does not
  // keep. Parsed from text, the same functions give the same code from whichever level they come.
  std::string text;
  llvm::raw_string_ostream os(text);
  OpPrintingFlags flags;
  flags.enableDebugInfo(true, /*prettyForm=*/false);
  tasks->print(os, flags);
  return parseSourceString<ModuleOp>(text, module.getContext(), "tasks");
}

/// A name for everything that the object depends on; empty if this program cannot be told from
/// another build of it.
static std::string contentKey(ModuleOp tasks, const CompileOptions &options) {
  std::string text;
  llvm::raw_string_ostream os(text);
  // Another build of the compiler makes other code of the same functions.
  static int anchor;
  llvm::sys::fs::file_status status;
  if (llvm::sys::fs::status(llvm::sys::fs::getMainExecutable(nullptr, static_cast<void *>(&anchor)),
                            status))
    return "";
  os << BIGMAC_VERSION << " " << status.getSize() << " "
     << status.getLastModificationTime().time_since_epoch().count() << "\n";
  os << options.target << " ";
  if (options.target == "cuda")
    os << options.workspace << " " << options.epilogues << " ";
  os << (options.cpu == "native" ? llvm::sys::getHostCPUName() : StringRef(options.cpu)) << "\n";
  OpPrintingFlags flags;
  flags.enableDebugInfo(false);
  tasks.print(os, flags);
  // Two hashes of different seeds: a collision would run the wrong code.
  return llvm::utohexstr(rt::hash64(text.data(), text.size(), 1), /*LowerCase=*/true, 16) +
         llvm::utohexstr(rt::hash64(text.data(), text.size(), 2), /*LowerCase=*/true, 16);
}

CUDAOptions bigmac::cudaOptions(const CompileOptions &options) {
  CUDAOptions cuda;
  cuda.workspace = options.workspace;
  cuda.libraries.epilogues = options.epilogues != "none";
  return cuda;
}

LogicalResult bigmac::planWorkspaces(ModuleOp tasks, const CompileOptions &options,
                                     SmallVectorImpl<TaskInfo> &infos) {
  return options.target == "cuda" ? planWorkspacesForCUDA(tasks, cudaOptions(options), infos)
                                  : planWorkspacesForCPU(tasks, infos);
}

static LogicalResult compile(ModuleOp tasks, const CompileOptions &options, StringRef objectPath,
                             SmallVectorImpl<TaskInfo> &infos) {
  if (options.target == "cuda")
    return compileForCUDA(tasks, cudaOptions(options), objectPath, infos);
  CPUOptions cpu;
  cpu.cpu = options.cpu;
  return compileForCPU(tasks, cpu, objectPath, infos);
}

static std::optional<uint64_t> hashOfFile(StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer)
    return std::nullopt;
  return rt::hash64((*buffer)->getBufferStart(), (*buffer)->getBufferSize());
}

/// The hash of the object, then workspace sizes, one "bytes name" a line.
static bool readInfos(StringRef path, uint64_t &objectHash, SmallVectorImpl<TaskInfo> &infos) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!buffer)
    return false;
  auto [first, lines] = (*buffer)->getBuffer().split('\n');
  if (first.getAsInteger(10, objectHash))
    return false;
  for (StringRef rest = lines; !rest.empty();) {
    StringRef line;
    std::tie(line, rest) = rest.split('\n');
    auto [bytes, name] = line.split(' ');
    TaskInfo info;
    info.name = name.str();
    if (name.empty() || bytes.getAsInteger(10, info.workspaceBytes))
      return false;
    infos.push_back(std::move(info));
  }
  return !infos.empty();
}

/// Keeps a finished object. A cache that cannot be written is no error: the build goes on without.
static void keep(StringRef objectPath, StringRef cached, StringRef cachedInfos,
                 ArrayRef<TaskInfo> infos) {
  std::optional<uint64_t> hash = hashOfFile(objectPath);
  if (!hash)
    return;
  auto place = [](StringRef path, auto write) {
    auto temporary = llvm::sys::fs::TempFile::create(path + ".%%%%%%");
    if (!temporary)
      return llvm::consumeError(temporary.takeError());
    bool good = write(*temporary);
    llvm::consumeError(good ? temporary->keep(path) : temporary->discard());
  };
  place(cached, [&](llvm::sys::fs::TempFile &file) {
    return !llvm::sys::fs::copy_file(objectPath, file.FD);
  });
  // The list comes last: it says that the object is whole.
  place(cachedInfos, [&](llvm::sys::fs::TempFile &file) {
    llvm::raw_fd_ostream os(file.FD, /*shouldClose=*/false);
    os << *hash << "\n";
    for (const TaskInfo &info : infos)
      os << info.workspaceBytes << " " << info.name << "\n";
    os.flush();
    bool good = !os.has_error();
    os.clear_error();
    return good;
  });
}

LogicalResult bigmac::compileTasks(ModuleOp module, const CompileOptions &options,
                                   StringRef objectPath, SmallVectorImpl<TaskInfo> &infos) {
  OwningOpRef<ModuleOp> tasks = taskFunctions(module);
  SmallString<256> cached(options.cacheFolder), cachedInfos;
  std::string key = options.cacheFolder.empty() ? "" : contentKey(*tasks, options);
  if (!key.empty()) {
    llvm::sys::path::append(cached, key + ".o");
    cachedInfos = cached;
    llvm::sys::path::replace_extension(cachedInfos, "tasks");
    llvm::sys::fs::create_directories(options.cacheFolder);
    // What was damaged in the cache is compiled anew.
    uint64_t hash = 0;
    if (readInfos(cachedInfos, hash, infos) && !llvm::sys::fs::copy_file(cached, objectPath) &&
        hashOfFile(objectPath) == hash)
      return success();
    infos.clear();
  }
  if (failed(compile(*tasks, options, objectPath, infos)))
    return failure();
  if (!key.empty())
    keep(objectPath, cached, cachedInfos, infos);
  return success();
}
