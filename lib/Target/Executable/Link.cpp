//===- Link.cpp - Links a training executable ------------------------------===//

#include "bigmac/Target/Executable.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"

using namespace mlir;

/// The folder with libbigmac_rt.a and bigmac_rt.link: lib beside the bin folder of this program.
static std::string libraryFolder() {
  static int anchor;
  SmallString<256> path(
      llvm::sys::fs::getMainExecutable(/*argv0=*/nullptr, static_cast<void *>(&anchor)));
  llvm::sys::path::remove_filename(path);
  llvm::sys::path::append(path, "..", "lib");
  llvm::sys::path::remove_dots(path, /*remove_dot_dot=*/true);
  return std::string(path);
}

LogicalResult bigmac::linkExecutable(Location loc, ArrayRef<std::string> objects,
                                     StringRef output) {
  std::string folder = libraryFolder();
  auto flags = llvm::MemoryBuffer::getFile(folder + "/bigmac_rt.link", /*IsText=*/true);
  if (!flags)
    return emitError(loc) << "cannot find the training runtime: '" << folder
                          << "/bigmac_rt.link': " << flags.getError().message();
  std::string linker;
  for (StringRef name : {BIGMAC_LINKER, "c++", "g++", "clang++"})
    if (auto found = llvm::sys::findProgramByName(name)) {
      linker = *found;
      break;
    }
  if (linker.empty())
    return emitError(loc) << "cannot find a C++ compiler to link with (looked for " << BIGMAC_LINKER
                          << ", c++, g++, clang++)";

  SmallString<256> temporary;
  if (std::error_code code = llvm::sys::fs::createUniqueFile(output + ".%%%%%%.tmp", temporary))
    return emitError(loc) << "cannot write '" << output << "': " << code.message();
  SmallVector<StringRef> arguments{linker, "-o", temporary};
  for (const std::string &object : objects)
    arguments.push_back(object);
  std::string runtime = folder + "/libbigmac_rt.a";
  arguments.push_back(runtime);
  for (StringRef rest = (*flags)->getBuffer(); !rest.empty();) {
    StringRef line;
    std::tie(line, rest) = rest.split('\n');
    if (!line.trim().empty())
      arguments.push_back(line.trim());
  }
  std::string error;
  int status = llvm::sys::ExecuteAndWait(linker, arguments, std::nullopt, {}, 0, 0, &error);
  if (status != 0) {
    llvm::sys::fs::remove(temporary);
    return emitError(loc) << "linking '" << output << "' with " << linker << " failed"
                          << (error.empty() ? "" : ": ") << error;
  }
  if (std::error_code code = llvm::sys::fs::rename(temporary, output)) {
    llvm::sys::fs::remove(temporary);
    return emitError(loc) << "cannot write '" << output << "': " << code.message();
  }
  return success();
}
