// Communication over TCP sockets, for launchers that connect nothing themselves (torchrun). A
// receiver says READY on a channel when a receive is started; the sender then sends DATA. So
// nothing arrives that has no place, and nothing is buffered.

#include "../common/PairwiseComm.h"
#include "Poll.h"
#include "TcpMesh.h"
#include "bigmac-rt/Error.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

namespace bigmac::rt {

namespace {

enum FrameKind : uint32_t { kReady = 1, kData = 2 };

struct Frame {
  uint32_t kind, tag;
  uint64_t bytes;
};

/// Tags of the driver's own messages; plans' are below BM_TAG_LIMIT.
constexpr uint32_t kPostTag = 1 << 20, kHostTag = kPostTag + 1;

struct Transfer {
  bool sends;
  uint32_t peer, tag;
  char *data;
  uint64_t bytes;
  bool done = true;
};

class TcpComm final : public PairwiseComm {
public:
  explicit TcpComm(const TcpWorld &world)
      : self(world.rank), world(world.size), sockets(connectMesh(world)), peers(world.size) {
    poll.setTimeout(world.timeout);
    poll.setCrowded(world.ranksHere > uint32_t(sysconf(_SC_NPROCESSORS_ONLN)));
  }

  std::string name() const override { return "TCP"; }
  uint32_t rank() const override { return self; }
  uint32_t size() const override { return world; }
  void setTimeout(double seconds) override { poll.setTimeout(seconds); }
  void setOperation(const char *what) override { poll.setOperation(what); }

  Request prepareSend(const void *data, uint64_t bytes, uint32_t peer, uint32_t tag) override {
    return prepare({true, peer, tag, const_cast<char *>(static_cast<const char *>(data)), bytes});
  }
  Request prepareRecv(void *data, uint64_t bytes, uint32_t peer, uint32_t tag) override {
    return prepare({false, peer, tag, static_cast<char *>(data), bytes});
  }
  void start(Request request) override { begin(prepared[request]); }
  void wait(Request request) override { await(prepared[request]); }
  void progress() override {
    if (open)
      move();
  }
  void checkOthers() override {
    move();
    for (uint32_t r = 0; r < world; ++r)
      if (peers[r].closed)
        throw RuntimeError("rank " + std::to_string(r) + " has ended");
  }

  void barrier() override {
    double nothing = 0;
    allSum({&nothing, 1});
  }
  void allSum(std::span<double> values) override {
    combine(values, [](double a, double b) { return a + b; });
  }
  void allMax(std::span<double> values) override {
    combine(values, [](double a, double b) { return a < b || b != b ? b : a; });
  }

  std::vector<std::string> gather(std::string_view text) override {
    std::vector<std::string> texts;
    uint64_t length = text.size();
    if (self != 0) {
      exchange(true, 0, &length, sizeof(length));
      exchange(true, 0, const_cast<char *>(text.data()), length);
      return texts;
    }
    texts.emplace_back(text);
    for (uint32_t r = 1; r < world; ++r) {
      exchange(false, r, &length, sizeof(length));
      texts.emplace_back(length, '\0');
      exchange(false, r, texts.back().data(), length);
    }
    return texts;
  }

  std::string broadcast(std::string_view text) override {
    std::string result(text);
    uint64_t length = result.size();
    for (uint32_t r = 1; r < world && self == 0; ++r) {
      exchange(true, r, &length, sizeof(length));
      exchange(true, r, result.data(), length);
    }
    if (self != 0) {
      exchange(false, 0, &length, sizeof(length));
      result.resize(length);
      exchange(false, 0, result.data(), length);
    }
    return result;
  }

  /// The sockets close, which the others see.
  [[noreturn]] void abort(int status) override {
    std::fflush(nullptr);
    _exit(status);
  }

protected:
  void post(bool sends, void *data, uint64_t bytes, uint32_t peer, const char *) override {
    posted.push_back({sends, peer, kPostTag, static_cast<char *>(data), bytes});
    begin(posted.back());
  }
  void finishPosted() override {
    for (Transfer &transfer : posted)
      await(transfer);
    posted.clear();
  }

private:
  struct Channel {
    uint64_t credits = 0; // READYs that no send has used
    std::deque<Transfer *> sends, receives;
  };
  struct Outgoing {
    Frame frame;
    Transfer *transfer; // null for READY
    uint64_t sent = 0;  // of frame and data
  };
  struct Peer {
    std::map<uint32_t, Channel> channels;
    std::deque<Outgoing> out;
    Frame frame{}; // arriving
    uint64_t received = 0;
    Transfer *into = nullptr;
    bool closed = false;
  };

  Request prepare(Transfer transfer) {
    prepared.push_back(transfer);
    return prepared.size() - 1;
  }

  void begin(Transfer &transfer) {
    transfer.done = false;
    ++open;
    Peer &peer = peers[transfer.peer];
    Channel &channel = peer.channels[transfer.tag];
    if (transfer.sends) {
      channel.sends.push_back(&transfer);
      release(peer, channel);
    } else {
      channel.receives.push_back(&transfer);
      peer.out.push_back({{kReady, transfer.tag, transfer.bytes}, nullptr});
    }
    write(transfer.peer);
  }

  static void release(Peer &peer, Channel &channel) {
    while (channel.credits && !channel.sends.empty()) {
      Transfer *transfer = channel.sends.front();
      channel.sends.pop_front();
      --channel.credits;
      peer.out.push_back({{kData, transfer->tag, transfer->bytes}, transfer});
    }
  }

  void await(Transfer &transfer) {
    auto whom = [&] {
      return (transfer.sends ? "send to rank " : "receive from rank ") +
             std::to_string(transfer.peer);
    };
    poll.until(
        [&] {
          if (!transfer.done)
            move();
          if (!transfer.done && peers[transfer.peer].closed)
            throw RuntimeError("rank " + std::to_string(transfer.peer) +
                               " has ended (waited for: " + poll.what() + ")");
          return transfer.done;
        },
        whom);
    --open;
  }

  void exchange(bool sends, uint32_t peer, void *data, uint64_t bytes) {
    Transfer transfer{sends, peer, kHostTag, static_cast<char *>(data), bytes};
    begin(transfer);
    await(transfer);
  }

  /// Through rank 0, in rank order: the same bits every time.
  template <typename Fn> void combine(std::span<double> values, Fn fn) {
    std::vector<double> other(values.size());
    for (uint32_t r = 1; r < world && self == 0; ++r) {
      exchange(false, r, other.data(), values.size_bytes());
      for (size_t i = 0; i < other.size(); ++i)
        values[i] = fn(values[i], other[i]);
    }
    if (self != 0) {
      exchange(true, 0, values.data(), values.size_bytes());
      exchange(false, 0, values.data(), values.size_bytes());
      return;
    }
    for (uint32_t r = 1; r < world; ++r)
      exchange(true, r, values.data(), values.size_bytes());
  }

  /// Reads and writes what the sockets take and have.
  void move() {
    events.clear();
    for (uint32_t r = 0; r < world; ++r) {
      bool alive = r != self && !peers[r].closed;
      short wanted = POLLIN | (peers[r].out.empty() ? 0 : POLLOUT);
      events.push_back({alive ? sockets[r].get() : -1, wanted, 0});
    }
    if (::poll(events.data(), events.size(), 0) <= 0)
      return;
    for (uint32_t r = 0; r < world; ++r) {
      if (events[r].revents & (POLLIN | POLLHUP | POLLERR))
        read(r);
      if (events[r].revents & POLLOUT)
        write(r);
    }
  }

  void write(uint32_t r) {
    Peer &peer = peers[r];
    while (!peer.out.empty() && !peer.closed) {
      Outgoing &next = peer.out.front();
      const char *from = reinterpret_cast<const char *>(&next.frame) + next.sent;
      uint64_t left = sizeof(Frame) - next.sent;
      if (next.sent >= sizeof(Frame)) {
        from = next.transfer->data + (next.sent - sizeof(Frame));
        left = next.frame.bytes - (next.sent - sizeof(Frame));
      }
      if (left > 0) {
        ssize_t n = send(sockets[r].get(), from, left, MSG_NOSIGNAL);
        if (n < 0) {
          peer.closed = errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR;
          return;
        }
        next.sent += n;
      }
      uint64_t whole = sizeof(Frame) + (next.transfer ? next.frame.bytes : 0);
      if (next.sent < whole)
        continue;
      if (next.transfer)
        next.transfer->done = true;
      peer.out.pop_front();
    }
  }

  void read(uint32_t r) {
    Peer &peer = peers[r];
    for (;;) {
      char *to = reinterpret_cast<char *>(&peer.frame) + peer.received;
      uint64_t left = sizeof(Frame) - peer.received;
      if (peer.into) {
        to = peer.into->data + peer.received;
        left = peer.frame.bytes - peer.received;
      }
      if (left > 0) {
        ssize_t n = recv(sockets[r].get(), to, left, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
          peer.closed = true;
        if (n <= 0)
          return;
        peer.received += n;
        if (peer.received < (peer.into ? peer.frame.bytes : sizeof(Frame)))
          continue;
      }
      peer.received = 0;
      if (peer.into) {
        peer.into->done = true;
        peer.into = nullptr;
      } else {
        arrived(r, peer);
      }
    }
  }

  void arrived(uint32_t r, Peer &peer) {
    Channel &channel = peer.channels[peer.frame.tag];
    if (peer.frame.kind == kReady) {
      ++channel.credits;
      release(peer, channel);
      return write(r);
    }
    if (peer.frame.kind != kData || channel.receives.empty() ||
        channel.receives.front()->bytes != peer.frame.bytes)
      throw RuntimeError("TCP: rank " + std::to_string(r) + " sent what was not expected");
    peer.into = channel.receives.front();
    channel.receives.pop_front();
  }

  uint32_t self, world, open = 0;
  std::vector<Socket> sockets;
  std::vector<Peer> peers;
  std::vector<pollfd> events;
  std::deque<Transfer> prepared, posted; // their addresses stay
  Poll poll;
};

} // namespace

std::unique_ptr<Comm> makeTcpComm(const TcpWorld &world) {
  return std::make_unique<TcpComm>(world);
}

} // namespace bigmac::rt
