// Communication through MPI. Transfers are persistent requests; every wait polls, so that it can
// yield the core to other ranks and end at the timeout.

#include "../common/PairwiseComm.h"
#include "Poll.h"
#include "bigmac-rt/Error.h"

#include <climits>
#include <cstdio>
#include <cstdlib>
#define OMPI_SKIP_MPICXX 1 // the old C++ bindings do not compile cleanly
#include <mpi.h>
#include <sched.h>
#include <unistd.h>

namespace bigmac::rt {

namespace {

/// Throws on an MPI error (the communicators return errors instead of aborting).
void check(int code, const char *what) {
  if (code == MPI_SUCCESS)
    return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw RuntimeError(std::string("MPI: ") + what + ": " + std::string(text, length));
}

/// MPI counts are int: larger messages are made of blocks. `fn` gets (count, datatype).
template <typename Fn> void withType(uint64_t bytes, Fn fn) {
  if (bytes <= INT_MAX) {
    fn(static_cast<int>(bytes), MPI_BYTE);
    return;
  }
  constexpr uint64_t kBlock = 1 << 20;
  MPI_Datatype block, type;
  check(MPI_Type_contiguous(kBlock, MPI_BYTE, &block), "datatype");
  int lengths[2] = {static_cast<int>(bytes / kBlock), static_cast<int>(bytes % kBlock)};
  MPI_Aint places[2] = {0, static_cast<MPI_Aint>(bytes / kBlock * kBlock)};
  MPI_Datatype types[2] = {block, MPI_BYTE};
  check(MPI_Type_create_struct(2, lengths, places, types, &type), "datatype");
  check(MPI_Type_commit(&type), "datatype");
  fn(1, type);
  MPI_Type_free(&type);
  MPI_Type_free(&block);
}

class MpiComm final : public PairwiseComm {
public:
  MpiComm() {
    int provided = 0;
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "initialisation");
    check(MPI_Comm_dup(MPI_COMM_WORLD, &transfers), "communicator");
    check(MPI_Comm_dup(MPI_COMM_WORLD, &collectives), "communicator");
    MPI_Comm_set_errhandler(transfers, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(collectives, MPI_ERRORS_RETURN);
    int value = 0;
    MPI_Comm_rank(transfers, &value);
    self = value;
    MPI_Comm_size(transfers, &value);
    world = value;
    poll.setCrowded(coresAreShared());
  }

  ~MpiComm() override {
    for (MPI_Request &request : requests)
      if (request != MPI_REQUEST_NULL)
        MPI_Request_free(&request);
    MPI_Comm_free(&transfers);
    MPI_Comm_free(&collectives);
    MPI_Finalize();
  }

  std::string name() const override { return "MPI"; }
  uint32_t rank() const override { return self; }
  uint32_t size() const override { return world; }
  void setTimeout(double seconds) override { poll.setTimeout(seconds); }
  void setOperation(const char *what) override { poll.setOperation(what); }

  Request prepareSend(const void *data, uint64_t bytes, uint32_t peer, uint32_t tag) override {
    MPI_Request request = MPI_REQUEST_NULL;
    withType(bytes, [&](int count, MPI_Datatype type) {
      check(MPI_Send_init(data, count, type, peer, tag, transfers, &request), "send");
    });
    return add(request, {false, peer});
  }
  Request prepareRecv(void *data, uint64_t bytes, uint32_t peer, uint32_t tag) override {
    MPI_Request request = MPI_REQUEST_NULL;
    withType(bytes, [&](int count, MPI_Datatype type) {
      check(MPI_Recv_init(data, count, type, peer, tag, transfers, &request), "receive");
    });
    return add(request, {true, peer});
  }
  void start(Request request) override {
    check(MPI_Start(&requests[request]), "start of a transfer");
    ++open;
  }
  void wait(Request request) override {
    await(&requests[request], 1, [&](size_t) { return describe(ends[request]); });
    --open;
  }
  void progress() override {
    int flag = 0;
    if (open)
      check(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, collectives, &flag, MPI_STATUS_IGNORE),
            "progress");
  }
  /// The launcher ends this process when another has ended.
  void checkOthers() override {}

  void barrier() override {
    MPI_Request request;
    check(MPI_Ibarrier(collectives, &request), "barrier");
    awaitAll(request, "barrier");
  }
  void allSum(std::span<double> values) override { allReduce(values, MPI_SUM, "sum"); }
  void allMax(std::span<double> values) override { allReduce(values, MPI_MAX, "maximum"); }

  std::vector<std::string> gather(std::string_view text) override {
    double longest = static_cast<double>(text.size());
    allMax({&longest, 1});
    if (longest > INT_MAX / 2)
      throw RuntimeError("cannot gather a text of " + std::to_string(text.size()) + " bytes");
    // Rank by rank: texts may be large, and rank 0 should not hold a padded copy of all.
    std::vector<std::string> texts;
    constexpr int kTag = 1;
    if (self != 0) {
      MPI_Request request;
      check(MPI_Isend(text.data(), text.size(), MPI_CHAR, 0, kTag, collectives, &request),
            "gather");
      awaitAll(request, "gather to rank 0");
      return texts;
    }
    texts.emplace_back(text);
    for (uint32_t r = 1; r < world; ++r) {
      std::string other(static_cast<size_t>(longest), '\0');
      MPI_Request request;
      MPI_Status status;
      check(MPI_Irecv(other.data(), other.size(), MPI_CHAR, r, kTag, collectives, &request),
            "gather");
      poll.until(
          [&] {
            int done = 0;
            check(MPI_Test(&request, &done, &status), "gather");
            return done != 0;
          },
          [&] { return "gather from rank " + std::to_string(r); });
      int length = 0;
      MPI_Get_count(&status, MPI_CHAR, &length);
      other.resize(length);
      texts.push_back(std::move(other));
    }
    return texts;
  }

  std::string broadcast(std::string_view text) override {
    double size = self == 0 ? static_cast<double>(text.size()) : 0;
    allMax({&size, 1});
    if (size > INT_MAX)
      throw RuntimeError("cannot broadcast a text of " + std::to_string(text.size()) + " bytes");
    std::string result(text);
    result.resize(static_cast<size_t>(size));
    MPI_Request request;
    check(MPI_Ibcast(result.data(), result.size(), MPI_CHAR, 0, collectives, &request),
          "broadcast");
    awaitAll(request, "broadcast from rank 0");
    return result;
  }

  [[noreturn]] void abort(int status) override {
    std::fflush(nullptr);
    MPI_Abort(MPI_COMM_WORLD, status);
    _exit(status);
  }

protected:
  void post(bool sends, void *data, uint64_t bytes, uint32_t peer, const char *what) override {
    MPI_Request request;
    int count = static_cast<int>(bytes);
    check(sends ? MPI_Isend(data, count, MPI_BYTE, peer, 0, collectives, &request)
                : MPI_Irecv(data, count, MPI_BYTE, peer, 0, collectives, &request),
          what);
    pending.push_back(request);
    pendingEnds.push_back({!sends, peer});
  }
  void finishPosted() override {
    await(pending.data(), pending.size(), [&](size_t i) { return describe(pendingEnds[i]); });
    pending.clear();
    pendingEnds.clear();
  }

private:
  struct End {
    bool receives;
    uint32_t peer;
  };
  static std::string describe(const End &end) {
    return (end.receives ? "receive from rank " : "send to rank ") + std::to_string(end.peer);
  }

  Request add(MPI_Request request, End end) {
    requests.push_back(request);
    ends.push_back(end);
    return requests.size() - 1;
  }

  /// Waits for all of them; `who(i)` names the transfer that is late.
  template <typename Who> void await(MPI_Request *list, size_t count, Who who) {
    for (size_t i = 0; i < count; ++i)
      poll.until(
          [&] {
            int done = 0;
            check(MPI_Test(&list[i], &done, MPI_STATUS_IGNORE), "transfer");
            return done != 0;
          },
          [&] { return who(i); });
  }
  void awaitAll(MPI_Request request, const char *what) {
    await(&request, 1, [&](size_t) { return std::string(what) + " of all ranks"; });
  }

  void allReduce(std::span<double> values, MPI_Op op, const char *what) {
    MPI_Request request;
    check(MPI_Iallreduce(MPI_IN_PLACE, values.data(), values.size(), MPI_DOUBLE, op, collectives,
                         &request),
          what);
    awaitAll(request, what);
  }

  /// Whether this machine's ranks have fewer cores than there are ranks.
  static bool coresAreShared() {
    MPI_Comm node;
    check(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node),
          "communicator");
    cpu_set_t mine, all;
    CPU_ZERO(&mine);
    CPU_ZERO(&all);
    sched_getaffinity(0, sizeof(mine), &mine);
    check(MPI_Allreduce(&mine, &all, sizeof(mine), MPI_BYTE, MPI_BOR, node), "cores");
    int ranks = 0;
    MPI_Comm_size(node, &ranks);
    MPI_Comm_free(&node);
    return CPU_COUNT(&all) < ranks;
  }

  MPI_Comm transfers = MPI_COMM_NULL, collectives = MPI_COMM_NULL;
  uint32_t self = 0, world = 1, open = 0;
  Poll poll;
  std::vector<MPI_Request> requests;
  std::vector<End> ends;
  std::vector<MPI_Request> pending; // of one collective
  std::vector<End> pendingEnds;
};

} // namespace

std::unique_ptr<Comm> makeMpiComm() { return std::make_unique<MpiComm>(); }

} // namespace bigmac::rt
