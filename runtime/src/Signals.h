//===- Signals.h - Last words ---------------------------------------------===//

#ifndef BIGMAC_RT_SIGNALS_H
#define BIGMAC_RT_SIGNALS_H

#include <cstdint>

namespace bigmac::rt {

/// SIGTERM, which launchers send when another rank has died: says what this rank was waiting for,
/// then dies of it. SIGBUS: says that a mapped file (data, weights) was cut or cannot be read.
void installSignalHandlers(uint32_t rank);

} // namespace bigmac::rt

#endif // BIGMAC_RT_SIGNALS_H
