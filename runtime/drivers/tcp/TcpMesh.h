//===- TcpMesh.h - Connecting every rank with every other -----------------===//

#ifndef BIGMAC_RT_TCPMESH_H
#define BIGMAC_RT_TCPMESH_H

#include "bigmac-rt/Comm.h"

#include <vector>

namespace bigmac::rt {

/// An open socket, closed with the object.
class Socket {
public:
  explicit Socket(int fd = -1) : fd(fd) {}
  ~Socket();
  Socket(Socket &&other) noexcept : fd(other.fd) { other.fd = -1; }
  Socket &operator=(Socket &&other) noexcept;
  int get() const { return fd; }
  explicit operator bool() const { return fd >= 0; }

private:
  int fd;
};

/// Connects this rank with all others, within world.timeout seconds; the socket of this rank itself
/// is empty. Rank 0 listens on world.host, on the first free port of kPorts after world.port (where
/// the launcher's own store may listen); others find it there by the world's token, learn the
/// others' addresses from it, and connect. RuntimeError when that fails.
std::vector<Socket> connectMesh(const TcpWorld &world);

inline constexpr uint16_t kPorts = 16;

} // namespace bigmac::rt

#endif // BIGMAC_RT_TCPMESH_H
