#include "AbsentDevice.h"
#include "Launcher.h"
#include "Machine.h"
#include "Signals.h"
#include "Together.h"
#include "Trainer.h"
#include "bigmac-rt/Error.h"
#include "bigmac-rt/Hash.h"
#include "bigmac-rt/Train.h"

#include <cstdlib>

namespace bigmac::rt {

static std::string aboutText(const PlanView &plan) {
  const bm_plan &h = plan.header();
  return "Trains " + std::string(plan.text(h.model)) + " on " + counted(plan.world(), "rank") +
         " (" + worldText(plan) + "), " + std::to_string(h.microbatches) + " microbatches of " +
         counted(h.samples, "sample") + " each.\nStart it with: " +
         (plan.world() == 1 ? std::string() : "mpirun -np " + std::to_string(plan.world()) + " ") +
         "PROGRAM --data DIR --steps N";
}

/// Says on every rank why the world is not the one that was compiled for; false if so.
static bool checkWorld(const PlanView &plan, const Launch &launch, uint32_t size, uint32_t rank) {
  std::string ranks = std::to_string(plan.world());
  std::string compiled =
      "compiled for " + counted(plan.world(), "rank") + " (" + worldText(plan) + ")";
  bool apart = size == 1 && launch.size > 1;
  if (size == plan.world() && !apart)
    return true;
  std::string message =
      "error: rank " + std::to_string(apart ? launch.rank : rank) + ": " + compiled;
  if (apart)
    message += ", but " + launch.name() + " started " + std::to_string(launch.size) +
               " processes that MPI does not connect; start with srun --mpi=pmix -n " + ranks +
               " or mpirun -np " + ranks;
  else
    message += ", but started with " + std::to_string(size) + " (" + launch.name() +
               "); start with mpirun -np " + ranks + ", or compile for " + std::to_string(size);
  printError(message);
  return false;
}

/// The driver of the plan's target. `place`: this rank's among those of its machine.
static std::unique_ptr<Device> makeDevice(const std::string &target, const Program &program,
                                          const Options &options, uint32_t place) {
  if (target == "cpu")
    return makeCpuDevice(options.threads);
  std::string compiled = "compiled for the target '" + target + "', but this program was linked ";
  if (target != "cuda")
    throw RuntimeError(compiled + "with the drivers for 'cpu' and 'cuda' only");
#ifdef BM_WITH_CUDA
  return makeCudaDevice(place, program.cuda, options.deterministic);
#else
  throw RuntimeError(compiled + "without the driver for it: when it was built there was no " +
                     BM_CUDA_MISSING);
#endif
}

/// This rank's device and the communicator that serves it: `host`, or one on top of it in `own`.
struct Drivers {
  std::unique_ptr<Device> device;
  std::unique_ptr<Comm> own; // ends before the device
  Comm *comm;
};

static Drivers makeDrivers(const PlanView &plan, const Program &program, const Options &options,
                           Comm &host) {
  std::string target(plan.text(plan.header().target));
  uint32_t place = target == "cpu" ? 0 : indexOnMachine(host);
  Drivers drivers{nullptr, nullptr, &host};
  std::string missing =
      tryTogether(host, [&] { drivers.device = makeDevice(target, program, options, place); });
  if (!missing.empty() && !options.dryRun) {
    if (host.rank() == 0)
      printError("error: " + missing);
    throw Exit{1};
  }
  if (!missing.empty()) {
    if (host.rank() == 0)
      printError("warning: no device for '" + target + "' here: " + missing);
    drivers.device = makeAbsentDevice(target, missing);
    return drivers;
  }
#ifdef BM_WITH_CUDA
  if (!drivers.device->isHost() && host.size() > 1) {
    drivers.own = makeNcclComm(host, *drivers.device);
    drivers.comm = drivers.own.get();
    drivers.comm->setTimeout(options.timeout);
  }
#endif
  return drivers;
}

/// The world that the launcher made: MPI's, except that torchrun connects nothing, and that without
/// a launcher the world is this process alone and MPI need not start.
static std::unique_ptr<Comm> makeComm(const PlanView &plan, const Launch &launch,
                                      const Options &options) {
  if (launch.kind == LauncherKind::Torchrun && launch.size > 1) {
    if (launch.host.empty() || launch.port == 0)
      throw RuntimeError("torchrun started this, but MASTER_ADDR and MASTER_PORT are not set");
    std::string run = launch.runName + " " + std::to_string(launch.port);
    return makeTcpComm({launch.rank, launch.size, launch.localSize, launch.host, launch.port,
                        hash64(run.data(), run.size(), plan.header().checksum), options.timeout});
  }
  bool alone = launch.kind == LauncherKind::Torchrun ||
               (launch.kind == LauncherKind::None && !std::getenv("PMIX_RANK"));
  return alone ? makeSelfComm() : makeMpiComm();
}

static void train(const PlanView &plan, const Program &program, const Options &options,
                  const Launch &launch, Comm &host, ProgressLine &out) {
  Drivers drivers = makeDrivers(plan, program, options, host);
  Comm &comm = *drivers.comm;
  Trainer trainer(plan, program, options, *drivers.device, comm, out);
  if (comm.rank() == 0)
    out.say("started by " + launch.name() + ": " + worldText(plan) + " (" + comm.name() + ")");
  trainer.prepare();
  if (!options.dryRun) {
    trainer.train();
    return;
  }
  if (comm.rank() == 0)
    out.say(trainer.describePlan() + "\ndry run: everything is in order");
}

/// Runs the whole training in the world `comm`; returns the exit status. Does not return where only
/// this rank has failed: it ends the others as well then.
static int runInWorld(const PlanView &plan, const Program &program, const Options &options,
                      const Launch &launch, Comm &comm) {
  bool root = comm.rank() == 0;
  ProgressLine out(stdout, !root || options.quiet,
                   outputIsTerminal(launch.kind == LauncherKind::OpenMPI));
  try {
    comm.setOperation("start-up");
    comm.setTimeout(options.timeout);
    if (!checkWorld(plan, launch, comm.size(), comm.rank())) {
      comm.barrier(); // every rank has said so before the launcher ends the first that exits
      return 1;
    }
    train(plan, program, options, launch, comm, out);
    return 0;
  } catch (const Exit &exit) {
    return exit.status;
  } catch (const std::exception &error) {
    printError("error: rank " + std::to_string(comm.rank()) + ": " + error.what());
    comm.abort(1);
  }
}

int trainMain(int argc, char **argv, const Program &program) {
  std::string error;
  auto plan = PlanView::open(program.image, program.imageSize, error);
  if (plan && plan->tasks().size() != program.taskCount)
    error = "damaged plan image: it has " + std::to_string(plan->tasks().size()) + " tasks, but " +
            std::to_string(program.taskCount) + " are linked";
  if (!error.empty()) {
    printError("error: " + error);
    return 1;
  }
  Launch launch = detectLaunch([](const char *name) { return std::getenv(name); });
  Parsed parsed = parseOptions(argc, argv, aboutText(*plan));
  if (!parsed.options) {
    if (launch.rank == 0)
      std::fputs(parsed.text.c_str(), parsed.status == 0 ? stdout : stderr);
    return parsed.status;
  }
  installSignalHandlers(launch.rank);
  try {
    // A wrong world under torchrun is known before anybody connects.
    if (launch.kind == LauncherKind::Torchrun &&
        !checkWorld(*plan, launch, launch.size, launch.rank))
      return 1;
    auto comm = makeComm(*plan, launch, *parsed.options);
    return runInWorld(*plan, program, *parsed.options, launch, *comm);
  } catch (const std::exception &failure) {
    printError(std::string("error: ") + failure.what());
    return 1;
  }
}

} // namespace bigmac::rt
