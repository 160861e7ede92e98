#include "TcpMesh.h"

#include "bigmac-rt/Error.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <random>
#include <sys/socket.h>
#include <unistd.h>

namespace bigmac::rt {

Socket::~Socket() {
  if (fd >= 0)
    close(fd);
}

Socket &Socket::operator=(Socket &&other) noexcept {
  std::swap(fd, other.fd);
  return *this;
}

namespace {

using Clock = std::chrono::steady_clock;

constexpr char kMagic[8] = {'B', 'M', 'A', 'C', 'T', 'C', 'P', '1'};

struct Hello {
  char magic[8];
  uint64_t token;
  uint32_t rank, size;
};

struct Address {
  sockaddr_storage address{};
  socklen_t length = 0;

  sockaddr *get() { return reinterpret_cast<sockaddr *>(&address); }
  void setPort(uint16_t port) {
    if (address.ss_family == AF_INET6)
      reinterpret_cast<sockaddr_in6 *>(&address)->sin6_port = htons(port);
    else
      reinterpret_cast<sockaddr_in *>(&address)->sin_port = htons(port);
  }
};

class Meeting {
public:
  explicit Meeting(const TcpWorld &world)
      : world(world),
        deadline(Clock::now() + std::chrono::milliseconds(int64_t(world.timeout * 1000))) {}

  std::vector<Socket> run() {
    sockets.resize(world.size);
    addresses.resize(world.size);
    token = world.token;
    if (world.rank == 0) {
      Socket listener = listenAtMaster();
      acceptRanks(listener, 1, 0);
      std::random_device random;
      cookie = uint64_t(random()) << 32 | random();
      for (uint32_t r = 1; r < world.size; ++r) {
        sendAll(sockets[r], &cookie, sizeof(cookie), r);
        sendAll(sockets[r], addresses.data(), addresses.size() * sizeof(Address), r);
      }
    } else {
      Socket listener = joinMaster();
      receiveAll(sockets[0], &cookie, sizeof(cookie), 0);
      receiveAll(sockets[0], addresses.data(), addresses.size() * sizeof(Address), 0);
      // The address that rank 0 saw, with the port where each listens.
      token = cookie;
      for (uint32_t r = 1; r < world.rank; ++r) {
        sockets[r] = connectTo(addresses[r]);
        if (!sockets[r] || !greet(sockets[r]))
          throw RuntimeError("TCP: cannot connect to rank " + std::to_string(r));
      }
      acceptRanks(listener, world.rank + 1, world.rank);
    }
    for (Socket &socket : sockets)
      if (socket)
        makeReady(socket);
    return std::move(sockets);
  }

private:
  double left() const { return std::chrono::duration<double>(deadline - Clock::now()).count(); }
  void checkTime(const std::string &what) const {
    if (world.timeout > 0 && left() <= 0)
      throw RuntimeError("TCP: waited " + std::to_string(int(world.timeout)) + " s for " + what +
                         " (" + world.host + ", ports " + std::to_string(world.port + 1) + " to " +
                         std::to_string(world.port + kPorts) + ")");
  }

  static void makeReady(const Socket &socket) {
    int one = 1;
    setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    fcntl(socket.get(), F_SETFL, fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
  }

  std::vector<Address> resolve() const {
    addrinfo hints{}, *list = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    int error = getaddrinfo(world.host.c_str(), nullptr, &hints, &list);
    if (error)
      throw RuntimeError("TCP: cannot resolve MASTER_ADDR '" + world.host +
                         "': " + gai_strerror(error));
    std::vector<Address> result;
    for (addrinfo *entry = list; entry; entry = entry->ai_next) {
      Address address;
      std::memcpy(&address.address, entry->ai_addr, entry->ai_addrlen);
      address.length = entry->ai_addrlen;
      result.push_back(address);
    }
    freeaddrinfo(list);
    return result;
  }

  static Socket listenAt(Address &address) {
    Socket socket(::socket(address.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket || bind(socket.get(), address.get(), address.length) != 0 ||
        listen(socket.get(), 1024) != 0)
      return Socket();
    return socket;
  }

  Socket listenAtMaster() const {
    for (Address &address : resolve())
      for (uint16_t i = 1; i <= kPorts; ++i) {
        address.setPort(world.port + i);
        if (Socket socket = listenAt(address))
          return socket;
      }
    throw RuntimeError("TCP: rank 0 cannot listen on MASTER_ADDR " + world.host + ", ports " +
                       std::to_string(world.port + 1) + " to " +
                       std::to_string(world.port + kPorts) + ": " + std::strerror(errno));
  }

  Socket connectTo(Address &address) const {
    Socket socket(::socket(address.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket || connect(socket.get(), address.get(), address.length) != 0)
      return Socket();
    return socket;
  }

  static void limit(const Socket &socket, int seconds) {
    timeval time{seconds, 0};
    setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
    setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
  }

  static bool sendBytes(const Socket &socket, const void *data, size_t bytes) {
    return send(socket.get(), data, bytes, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes);
  }
  static bool receiveBytes(const Socket &socket, void *data, size_t bytes) {
    return recv(socket.get(), data, bytes, MSG_WAITALL) == static_cast<ssize_t>(bytes);
  }
  void sendAll(const Socket &socket, const void *data, size_t bytes, uint32_t peer) const {
    if (!sendBytes(socket, data, bytes))
      throw RuntimeError("TCP: rank " + std::to_string(peer) + " left during start-up");
  }
  void receiveAll(const Socket &socket, void *data, size_t bytes, uint32_t peer) const {
    limit(socket, world.timeout > 0 ? std::max(1, int(left())) : 0);
    if (!receiveBytes(socket, data, bytes))
      throw RuntimeError("TCP: rank " + std::to_string(peer) +
                         " left during start-up, or not all ranks came in time");
  }

  /// Says who this is and waits for the answer; false if the other end is something else.
  bool greet(const Socket &socket) const {
    limit(socket, 5);
    Hello hello{{}, token, world.rank, world.size};
    std::memcpy(hello.magic, kMagic, sizeof(kMagic));
    char answer[sizeof(kMagic)];
    return sendBytes(socket, &hello, sizeof(hello)) &&
           receiveBytes(socket, answer, sizeof(answer)) &&
           std::memcmp(answer, kMagic, sizeof(kMagic)) == 0;
  }

  /// Accepts ranks `first` and up; `self` is who accepts. From rank 0's view their addresses
  /// follow.
  void acceptRanks(const Socket &listener, uint32_t first, uint32_t self) {
    for (uint32_t missing = world.size - first; missing > 0;) {
      pollfd event{listener.get(), POLLIN, 0};
      if (poll(&event, 1, 200) <= 0) {
        checkTime(std::to_string(missing) + " more ranks");
        continue;
      }
      Address from;
      from.length = sizeof(from.address);
      Socket socket(accept4(listener.get(), from.get(), &from.length, SOCK_CLOEXEC));
      Hello hello;
      if (!socket)
        continue;
      limit(socket, 5);
      // Strangers are turned away.
      if (!receiveBytes(socket, &hello, sizeof(hello)) ||
          std::memcmp(hello.magic, kMagic, sizeof(kMagic)) != 0 || hello.token != token ||
          hello.size != world.size || hello.rank < first || hello.rank >= world.size ||
          sockets[hello.rank] || !sendBytes(socket, kMagic, sizeof(kMagic)))
        continue;
      if (self == 0) {
        uint16_t port = 0;
        if (!receiveBytes(socket, &port, sizeof(port)))
          continue;
        from.setPort(port);
        addresses[hello.rank] = from;
      }
      sockets[hello.rank] = std::move(socket);
      --missing;
    }
  }

  /// Connects to rank 0 and opens this rank's own listener on the same interface.
  Socket joinMaster() {
    for (;; usleep(50'000)) {
      checkTime("rank 0");
      for (Address &address : resolve())
        for (uint16_t i = 1; i <= kPorts; ++i) {
          address.setPort(world.port + i);
          Socket socket = connectTo(address);
          if (!socket || !greet(socket))
            continue;
          Address mine;
          mine.length = sizeof(mine.address);
          getsockname(socket.get(), mine.get(), &mine.length);
          mine.setPort(0);
          Socket listener = listenAt(mine);
          if (!listener)
            throw RuntimeError(std::string("TCP: cannot listen: ") + std::strerror(errno));
          getsockname(listener.get(), mine.get(), &mine.length);
          uint16_t port = ntohs(mine.address.ss_family == AF_INET6
                                    ? reinterpret_cast<sockaddr_in6 *>(&mine.address)->sin6_port
                                    : reinterpret_cast<sockaddr_in *>(&mine.address)->sin_port);
          sendAll(socket, &port, sizeof(port), 0);
          sockets[0] = std::move(socket);
          return listener;
        }
    }
  }

  const TcpWorld &world;
  Clock::time_point deadline;
  uint64_t token = 0, cookie = 0;
  std::vector<Socket> sockets;
  std::vector<Address> addresses;
};

} // namespace

std::vector<Socket> connectMesh(const TcpWorld &world) { return Meeting(world).run(); }

} // namespace bigmac::rt
