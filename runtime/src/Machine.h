//===- Machine.h - Which ranks share a machine ----------------------------===//

#ifndef BIGMAC_RT_MACHINE_H
#define BIGMAC_RT_MACHINE_H

#include "bigmac-rt/Comm.h"

namespace bigmac::rt {

/// The same for all processes of a machine, and for no others; names of containers need not differ.
std::string machineId();

/// Collective: how many lower ranks are on this machine. Needs no launcher's environment.
uint32_t indexOnMachine(Comm &comm);

} // namespace bigmac::rt

#endif // BIGMAC_RT_MACHINE_H
