//===- AbsentDevice.h - For dry runs where there is no device -------------===//

#ifndef BIGMAC_RT_ABSENTDEVICE_H
#define BIGMAC_RT_ABSENTDEVICE_H

#include "bigmac-rt/Device.h"

namespace bigmac::rt {

/// Takes the weights, so that their file is read and checked, and drops them. Everything that a dry
/// run does not do throws RuntimeError(`why`).
std::unique_ptr<Device> makeAbsentDevice(const std::string &name, const std::string &why);

} // namespace bigmac::rt

#endif // BIGMAC_RT_ABSENTDEVICE_H
