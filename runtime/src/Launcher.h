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
  /// torchrun only: ranks on this machine, where rank 0 runs, a port there, and the run's name.
  uint32_t localSize = 1;
  std::string host, runName;
  uint16_t port = 0;

  /// "mpirun (Open MPI)", "torchrun", "srun (Slurm)", "no launcher".
  std::string name() const;
};

/// Open MPI's mpirun (OMPI_COMM_WORLD_RANK, _SIZE) first, since it may run inside a Slurm job; then
/// torchrun (RANK, WORLD_SIZE; MASTER_ADDR, MASTER_PORT, LOCAL_WORLD_SIZE, TORCHELASTIC_RUN_ID);
/// then srun (SLURM_PROCID, SLURM_STEP_NUM_TASKS, which a batch script without srun does not have).
/// Values that are no numbers are as if not there.
Launch detectLaunch(const std::function<const char *(const char *)> &getenv);

} // namespace bigmac::rt

#endif // BIGMAC_RT_LAUNCHER_H
