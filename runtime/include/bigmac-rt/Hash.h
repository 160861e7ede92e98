//===- Hash.h - The 64-bit content hash of plans, weights and checkpoints -===//
//
// XXH64 (https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md), seed 0 unless given. Detects
// damage; it is no defence against a forger. Python: `xxhash.xxh64(data).intdigest()`.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_RT_HASH_H
#define BIGMAC_RT_HASH_H

#include <cstddef>
#include <cstdint>

namespace bigmac::rt {

uint64_t hash64(const void *data, size_t size, uint64_t seed = 0);

} // namespace bigmac::rt

#endif // BIGMAC_RT_HASH_H
