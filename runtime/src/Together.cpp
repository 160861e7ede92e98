#include "Together.h"

#include <cstdio>
#include <map>

namespace bigmac::rt {

void printError(const std::string &message) {
  std::string line = message;
  for (char &c : line)
    if ((static_cast<unsigned char>(c) < 32 && c != '\n') || c == 127)
      c = '?';
  line += '\n';
  // One write, so that lines of several ranks do not mix.
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
}

std::string tryTogether(Comm &comm, const std::function<void()> &work) {
  std::string mine;
  double failed = 0;
  try {
    work();
  } catch (const std::exception &error) {
    mine = error.what();
    failed = 1;
  }
  comm.allMax({&failed, 1});
  if (failed == 0)
    return {};
  auto texts = comm.gather(mine);
  if (comm.rank() != 0)
    return "another rank failed";
  std::map<std::string, std::pair<size_t, size_t>> distinct; // message -> (first rank, how many)
  for (size_t r = 0; r < texts.size(); ++r)
    if (!texts[r].empty())
      ++distinct.try_emplace(texts[r], r, 0).first->second.second;
  std::string all;
  for (const auto &[text, where] : distinct) {
    if (!all.empty())
      all += '\n';
    if (where.second != texts.size())
      all += "rank " + std::to_string(where.first) + ": ";
    all += text;
  }
  return all;
}

void together(Comm &comm, const std::function<void()> &work) {
  std::string message = tryTogether(comm, work);
  if (message.empty())
    return;
  if (comm.rank() == 0)
    printError("error: " + message);
  throw Exit{1};
}

} // namespace bigmac::rt
