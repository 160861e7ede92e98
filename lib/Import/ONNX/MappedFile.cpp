//===- MappedFile.cpp - A file's bytes in memory ---------------------------===//

#include "MappedFile.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace bigmac::onnx;

std::unique_ptr<MappedFile> MappedFile::map(int descriptor, std::string &error) {
  struct stat info;
  std::unique_ptr<MappedFile> file;
  if (fstat(descriptor, &info) != 0) {
    error = std::string("cannot be examined: ") + strerror(errno);
  } else if (!S_ISREG(info.st_mode)) {
    error = "is no regular file";
  } else if (info.st_size == 0) {
    file.reset(new MappedFile(nullptr, 0));
  } else {
    size_t size = static_cast<size_t>(info.st_size);
    void *bytes = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (bytes == MAP_FAILED)
      error = std::string("cannot be mapped: ") + strerror(errno);
    else
      file.reset(new MappedFile(static_cast<const char *>(bytes), size));
  }
  close(descriptor);
  return file;
}

std::unique_ptr<MappedFile> MappedFile::open(const std::string &path, std::string &error) {
  // O_NONBLOCK: opening a named pipe must not wait for its writer.
  int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    error = std::string("cannot be opened: ") + strerror(errno);
    return nullptr;
  }
  return map(descriptor, error);
}

MappedFile::~MappedFile() {
  if (bytes)
    munmap(const_cast<char *>(bytes), length);
}
