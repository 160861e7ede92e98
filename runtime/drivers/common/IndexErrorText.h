//===- IndexErrorText.h - What is said about an id outside its table ------===//

#ifndef BIGMAC_RT_INDEXERRORTEXT_H
#define BIGMAC_RT_INDEXERRORTEXT_H

#include <cstdint>
#include <string>

namespace bigmac::rt {

inline std::string indexErrorText(int64_t index, int64_t size) {
  return "an id or label in the data is " + std::to_string(index) + ", expected one from 0 to " +
         std::to_string(size - 1) +
         " (or a negative one that counts from the end); check the integer tensors of --data";
}

} // namespace bigmac::rt

#endif // BIGMAC_RT_INDEXERRORTEXT_H
