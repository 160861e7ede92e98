//===- OutputFile.h - A file that is whole or absent ------------*- C++ -*-===//

#ifndef BIGMAC_TOOLS_BIGMAC_SIM_OUTPUTFILE_H
#define BIGMAC_TOOLS_BIGMAC_SIM_OUTPUTFILE_H

#include "bigmac/Planning/Result.h"

#include <cstdio>
#include <string>
#include <string_view>

namespace bigmac::sim {

/// Written beside its place and renamed when whole; "-" is the standard output, and what exists but
/// is not a regular file (a pipe, a device) is written directly.
class OutputFile {
public:
  explicit OutputFile(std::string path);
  ~OutputFile();
  OutputFile(const OutputFile &) = delete;
  OutputFile &operator=(const OutputFile &) = delete;

  void write(std::string_view text);

  /// Puts the file in its place. An error, also of an earlier write, leaves nothing behind.
  planning::Status commit();

private:
  planning::Error error(const std::string &what) const;

  std::string path;
  /// Empty when written directly.
  std::string temporary;
  std::FILE *file = nullptr;
  int failure = 0;
};

} // namespace bigmac::sim

#endif // BIGMAC_TOOLS_BIGMAC_SIM_OUTPUTFILE_H
