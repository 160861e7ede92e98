//===- Launcher.h - Who started this process ------------------------------===//

#ifndef BIGMAC_RT_LAUNCHER_H
#define BIGMAC_RT_LAUNCHER_H

#include <cstdint>
#include <functional>
#include <string>

namespace bigmac::rt {

enum class LauncherKind { None, OpenMPI, Torchrun, Slurm };

/// What the launcher's own environment says.
struct Launch {
  LauncherKind kind = LauncherKind::None;
  uint32_t rank = 0;
  uint32_t size = 1;

  /// "mpirun (Open MPI)", "torchrun", "srun (Slurm)", "no launcher".
  std::string name() const;
};

/// Open MPI's mpirun (OMPI_COMM_WORLD_RANK, _SIZE) first, since it may run inside a Slurm job; then
/// torchrun (RANK, WORLD_SIZE); then srun (SLURM_PROCID, SLURM_STEP_NUM_TASKS, which a batch script
/// without srun does not have). Values that are no numbers are as if not there.
Launch detectLaunch(const std::function<const char *(const char *)> &getenv);

} // namespace bigmac::rt

#endif // BIGMAC_RT_LAUNCHER_H
