#include "Machine.h"

#include <cstdio>
#include <map>
#include <sstream>
#include <unistd.h>

namespace bigmac::rt {

std::string machineId() {
  char text[256] = {};
  std::string id;
  if (std::FILE *file = std::fopen("/proc/sys/kernel/random/boot_id", "r")) {
    if (std::fgets(text, sizeof(text), file))
      id = text;
    std::fclose(file);
  }
  if (id.empty() && gethostname(text, sizeof(text) - 1) == 0)
    id = text;
  return id;
}

uint32_t indexOnMachine(Comm &comm) {
  std::map<std::string, uint32_t> seen;
  std::string list;
  for (const std::string &id : comm.gather(machineId()))
    list += std::to_string(seen[id]++) + " ";
  std::istringstream numbers(comm.broadcast(list));
  uint32_t mine = 0;
  for (uint32_t r = 0; r <= comm.rank(); ++r)
    numbers >> mine;
  return mine;
}

} // namespace bigmac::rt
