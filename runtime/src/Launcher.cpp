#include "Launcher.h"

#include <charconv>
#include <cstring>
#include <optional>

namespace bigmac::rt {

std::string Launch::name() const {
  switch (kind) {
  case LauncherKind::OpenMPI:
    return "mpirun (Open MPI)";
  case LauncherKind::Torchrun:
    return "torchrun";
  case LauncherKind::Slurm:
    return "srun (Slurm)";
  case LauncherKind::None:
    break;
  }
  return "no launcher";
}

static std::optional<uint32_t> number(const char *text) {
  if (!text)
    return std::nullopt;
  uint32_t value = 0;
  const char *end = text + std::strlen(text);
  auto [stop, error] = std::from_chars(text, end, value);
  if (error != std::errc() || stop != end)
    return std::nullopt;
  return value;
}

Launch detectLaunch(const std::function<const char *(const char *)> &getenv) {
  struct Source {
    LauncherKind kind;
    const char *rank, *size;
  };
  static constexpr Source sources[] = {
      {LauncherKind::OpenMPI, "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
      {LauncherKind::Torchrun, "RANK", "WORLD_SIZE"},
      {LauncherKind::Slurm, "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"}};
  for (const Source &source : sources) {
    auto rank = number(getenv(source.rank)), size = number(getenv(source.size));
    if (!rank || !size || *rank >= *size)
      continue;
    Launch launch;
    launch.kind = source.kind;
    launch.rank = *rank;
    launch.size = *size;
    if (source.kind == LauncherKind::Torchrun) {
      auto text = [&](const char *name) { return std::string(getenv(name) ? getenv(name) : ""); };
      launch.localSize = number(getenv("LOCAL_WORLD_SIZE")).value_or(launch.size);
      launch.host = text("MASTER_ADDR");
      launch.runName = text("TORCHELASTIC_RUN_ID");
      uint32_t port = number(getenv("MASTER_PORT")).value_or(0);
      launch.port = port < 65000 ? port : 0;
    }
    return launch;
  }
  return {};
}

} // namespace bigmac::rt
