//===- OutputFile.cpp - A file that is whole or absent --------------------===//

#include "OutputFile.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <unistd.h>

namespace bigmac::sim {

OutputFile::OutputFile(std::string where) : path(std::move(where)) {
  if (path == "-") {
    file = stdout;
    return;
  }
  std::error_code code;
  std::filesystem::file_status status = std::filesystem::status(path, code);
  std::string target = path;
  if (!std::filesystem::exists(status) || std::filesystem::is_regular_file(status)) {
    temporary = path + ".tmp" + std::to_string(getpid());
    target = temporary;
  }
  file = std::fopen(target.c_str(), "wb");
  if (!file) {
    failure = errno;
    temporary.clear();
  }
}

OutputFile::~OutputFile() {
  if (file && file != stdout)
    std::fclose(file);
  if (!temporary.empty())
    std::remove(temporary.c_str());
}

void OutputFile::write(std::string_view text) {
  if (file && !failure && std::fwrite(text.data(), 1, text.size(), file) != text.size())
    failure = errno;
}

planning::Error OutputFile::error(const std::string &what) const {
  return planning::Error{path + ": cannot be " + what + ": " + std::strerror(failure)};
}

planning::Status OutputFile::commit() {
  if (!file)
    return error("opened for writing");
  if (std::fflush(file) != 0 && !failure)
    failure = errno;
  if (file != stdout) {
    if (std::fclose(file) != 0 && !failure)
      failure = errno;
    file = nullptr;
  }
  if (!failure && !temporary.empty()) {
    if (std::rename(temporary.c_str(), path.c_str()) != 0)
      failure = errno;
    else
      temporary.clear();
  }
  if (failure)
    return error("written");
  return planning::Status::success();
}

} // namespace bigmac::sim
