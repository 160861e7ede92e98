//===- ExternalData.cpp - Tensors in files beside the model ----------------===//

#include "ExternalData.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Path.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace llvm;
using namespace bigmac::onnx;

ExternalData::ExternalData(StringRef modelPath) : folder(sys::path::parent_path(modelPath)) {}

/// The components of a location that stays in its folder; empty with a reason for another one.
static SmallVector<StringRef> splitLocation(StringRef location, std::string &error) {
  SmallVector<StringRef> parts, kept;
  if (location.empty() || location.contains('\0') || location.contains('\\')) {
    error = "has an empty location or one with a backslash";
    return {};
  }
  if (location.starts_with("/")) {
    error = "is absolute; only files in the model's own folder are read";
    return {};
  }
  location.split(parts, '/', -1, /*KeepEmpty=*/false);
  for (StringRef part : parts) {
    if (part == "..") {
      error = "leaves the model's folder; only files in it are read";
      return {};
    }
    if (part != ".")
      kept.push_back(part);
  }
  if (kept.empty())
    error = "names no file";
  return kept;
}

/// Opens a file below `folder` one component at a time, so that none is a link.
static int openWithoutLinks(const std::string &folder, ArrayRef<StringRef> parts,
                            std::string &error) {
  int directory = open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (auto [i, part] : enumerate(parts)) {
    if (directory < 0)
      break;
    bool last = i + 1 == parts.size();
    int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | (last ? O_NONBLOCK : O_DIRECTORY);
    int next = openat(directory, part.str().c_str(), flags);
    int reason = errno;
    close(directory);
    directory = next;
    errno = reason;
  }
  if (directory >= 0)
    return directory;
  if (errno == ELOOP || errno == ENOTDIR)
    error = "is or goes through a symbolic link, which is not followed; copy the file";
  else
    error = std::string("cannot be opened: ") + strerror(errno);
  return -1;
}

const MappedFile *ExternalData::open(StringRef location, std::string &error) {
  auto known = files.find(location);
  if (known != files.end())
    return known->second.get();
  SmallVector<StringRef> parts = splitLocation(location, error);
  if (parts.empty())
    return nullptr;
  int descriptor = openWithoutLinks(folder, parts, error);
  if (descriptor < 0)
    return nullptr;
  struct stat info;
  if (fstat(descriptor, &info) == 0 && S_ISREG(info.st_mode) && info.st_nlink > 1) {
    close(descriptor);
    error = "has more than one hard link, which is not followed; copy the file";
    return nullptr;
  }
  std::unique_ptr<MappedFile> file = MappedFile::map(descriptor, error);
  if (!file)
    return nullptr;
  return (files[location] = std::move(file)).get();
}

bool ExternalData::resolve(const Tensor &tensor, uint64_t expected, Range &range,
                           std::string &error) {
  auto entry = [&](const char *key) -> StringRef {
    auto it = tensor.external.find(key);
    return it == tensor.external.end() ? StringRef() : StringRef(it->second);
  };
  StringRef location = entry("location");
  auto fail = [&](const Twine &reason) {
    error = ("external data '" + location + "' " + reason).str();
    return false;
  };
  std::string reason;
  const MappedFile *file = open(location, reason);
  if (!file)
    return fail(reason);
  uint64_t offset = 0, length = expected;
  if (StringRef text = entry("offset"); !text.empty() && text.getAsInteger(10, offset))
    return fail("has offset '" + text + "', which is no number");
  if (StringRef text = entry("length"); !text.empty() && text.getAsInteger(10, length))
    return fail("has length '" + text + "', which is no number");
  if (length != expected)
    return fail("has " + Twine(length) + " bytes for a tensor of " + Twine(expected));
  if (offset > file->size() || length > file->size() - offset)
    return fail("has " + Twine(file->size()) + " bytes, the tensor needs bytes " + Twine(offset) +
                " to " + Twine(offset) + " + " + Twine(length));
  SmallString<256> path(folder);
  sys::path::append(path, location);
  range.path = std::string(path);
  range.bytes = file->data() + offset;
  range.offset = offset;
  range.size = length;
  return true;
}
