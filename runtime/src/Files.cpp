#include "Files.h"

#include "bigmac-rt/Error.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <vector>

namespace bigmac::rt {

static void writeAll(int fd, const std::string &path, uint64_t position, const void *data,
                     uint64_t bytes) {
  const char *from = static_cast<const char *>(data);
  while (bytes > 0) {
    ssize_t n = pwrite(fd, from, std::min<uint64_t>(bytes, 1 << 30), position);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      throw RuntimeError("cannot write " + systemError(path, n < 0 ? errno : ENOSPC));
    from += n;
    position += n;
    bytes -= n;
  }
}

RangeWriter::RangeWriter(const std::string &path)
    : path(path), fd(open(path.c_str(), O_WRONLY | O_CLOEXEC)) {
  if (fd < 0)
    throw RuntimeError("cannot open " + systemError(path, errno) +
                       " (every rank must see the folder)");
}

RangeWriter::~RangeWriter() { close(fd); }

void RangeWriter::write(uint64_t position, const void *data, uint64_t bytes) {
  writeAll(fd, path, position, data, bytes);
}

void RangeWriter::write(uint64_t position, Device &device, uint64_t offset, uint64_t bytes) {
  constexpr uint64_t kBlock = 4 << 20;
  std::vector<unsigned char> block(std::min(kBlock, bytes));
  for (uint64_t at = 0; at < bytes; at += kBlock) {
    uint64_t n = std::min(kBlock, bytes - at);
    device.download(block.data(), offset + at, n);
    device.synchronize();
    writeAll(fd, path, position + at, block.data(), n);
  }
}

void RangeWriter::sync() {
  if (fsync(fd) != 0)
    throw RuntimeError("cannot sync " + systemError(path, errno));
}

void createFile(const std::string &path, std::string_view head, uint64_t bytes) {
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0)
    throw RuntimeError("cannot create " + systemError(path, errno));
  // Reserved, so that a full disk shows here and not when pages are written back.
  int error = bytes ? posix_fallocate(fd, 0, bytes) : 0;
  close(fd);
  if (error)
    throw RuntimeError("cannot reserve " + std::to_string(bytes) + " bytes for " +
                       systemError(path, error));
  RangeWriter(path).write(0, head.data(), head.size());
}

void writeFile(const std::string &path, std::string_view text) {
  createFile(path, text, text.size());
  RangeWriter(path).sync();
}

std::string readFile(const std::string &path, uint64_t limit) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    throw RuntimeError("cannot open " + systemError(path, errno));
  std::string text;
  char block[65536];
  ssize_t n = 0;
  while ((n = read(fd, block, sizeof(block))) > 0 && text.size() <= limit)
    text.append(block, n);
  int error = errno;
  close(fd);
  if (n < 0)
    throw RuntimeError("cannot read " + systemError(path, error));
  if (text.size() > limit)
    throw RuntimeError(path + " is larger than " + std::to_string(limit) + " bytes");
  return text;
}

void syncFolder(const std::string &path) {
  int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    throw RuntimeError("cannot open " + systemError(path, errno));
  int result = fsync(fd), error = errno;
  close(fd);
  if (result != 0 && error != EINVAL) // some file systems do not sync folders
    throw RuntimeError("cannot sync " + systemError(path, error));
}

void checkWritable(const std::string &folder) {
  std::string path = folder + "/.bigmac-write-test-" + std::to_string(getpid());
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0)
    throw RuntimeError("cannot write into " + systemError(folder, errno));
  close(fd);
  unlink(path.c_str());
}

} // namespace bigmac::rt
