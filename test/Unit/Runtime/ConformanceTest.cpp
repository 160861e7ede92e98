// The communication suite on each driver, in worlds of several sizes.

#include "TestSupport.h"
#include "bigmac-rt/Device.h"

#include <gtest/gtest.h>

using namespace bigmac::test;

static void run(std::vector<std::string> command, std::vector<std::string> environment = {}) {
  environment.insert(environment.end(),
                     {"OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"});
  Result result = execute(command, environment);
  EXPECT_EQ(result.status, 0) << result.out << result.err;
  EXPECT_NE(result.out.find("CommCts.ReduceScatterAndAllGather"), std::string::npos) << result.out;
}

TEST(Conformance, Self) { run({BM_CTS_COMM_PROGRAM, "self"}); }

TEST(Conformance, Mpi) {
  for (const char *ranks : {"1", "2", "5"})
    run({"mpirun", "--oversubscribe", "-np", ranks, BM_CTS_COMM_PROGRAM, "mpi"});
}

#ifdef BM_WITH_CUDA
/// On as many GPUs as there are, over MPI and over TCP; transfers by copy engines and by NCCL.
TEST(Conformance, Nccl) {
  std::string why;
  uint32_t gpus = bigmac::rt::countCudaDevices(why);
  if (gpus == 0)
    GTEST_SKIP() << why;
  for (uint32_t ranks = 1; ranks <= gpus; ranks *= 2) {
    for (const char *how : {"copy", "nccl"})
      run({"mpirun", "-np", std::to_string(ranks), BM_CTS_COMM_PROGRAM, "nccl"},
          {std::string("BIGMAC_CUDA_TRANSFERS=") + how});
    Result result = executeApart(ranks, {BM_CTS_COMM_PROGRAM, "nccl"});
    EXPECT_EQ(result.status, 0) << result.out << result.err;
    // By itself: transfers, which other tests prepare, keep lists from being graphs.
    result = execute({"mpirun", "-np", std::to_string(ranks), BM_CTS_COMM_PROGRAM, "nccl",
                      "--gtest_filter=*SumsBeside*"},
                     {"OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"});
    EXPECT_EQ(result.status, 0) << result.out << result.err;
  }
}
#endif

TEST(Conformance, Tcp) {
  for (int ranks : {1, 2, 5}) {
    Result result = executeApart(ranks, {BM_CTS_COMM_PROGRAM, "tcp"});
    EXPECT_EQ(result.status, 0) << result.out << result.err;
  }
}
