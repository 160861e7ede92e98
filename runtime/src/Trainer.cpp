#include "Trainer.h"

#include "Files.h"
#include "Together.h"
#include "Weights.h"
#include "bigmac-rt/Error.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

namespace bigmac::rt {

namespace fs = std::filesystem;
using nlohmann::json;

/// This many skipped steps in a row end the run.
static constexpr uint64_t kMostSkipped = 10;
static constexpr size_t kTraceEvents = 400'000;

/// Resident bytes of this process at its peak; 0 where the system does not say.
static uint64_t peakRss() {
  std::FILE *file = std::fopen("/proc/self/status", "r");
  unsigned long long kib = 0;
  char line[256];
  while (file && std::fgets(line, sizeof(line), file))
    if (std::sscanf(line, "VmHWM: %llu", &kib) == 1)
      break;
  if (file)
    std::fclose(file);
  return kib * 1024;
}

Trainer::Trainer(const PlanView &plan, const Program &program, Options options, Device &device,
                 Comm &comm, ProgressLine &out)
    : plan(plan), program(program), options(std::move(options)), device(device), comm(comm),
      out(out), holdings(plan, comm.rank()), root(comm.rank() == 0) {
  const bm_plan &h = plan.header();
  order.perStep = uint64_t(h.replicas) * h.microbatches * h.samples;
  // Tokens: of the largest integer input of two dimensions (samples x positions), else samples.
  tokensPerStep = order.perStep;
  for (const bm_input &input : plan.inputs())
    if (input.dims.count == 2 && (input.dtype == BM_I64 || input.dtype == BM_I32))
      tokensPerStep = std::max(tokensPerStep, order.perStep * plan.dims(input.dims)[1]);
}

Run Trainer::run() {
  return {plan, holdings, device, comm, [this](const std::string &text) {
            if (root)
              out.say(text);
          }};
}

void Trainer::prepare() {
  comm.setOperation("checking outputs");
  checkOutputs();
  comm.setOperation("opening the data");
  if (!options.data.empty())
    together(comm, [&] { data.emplace(options.data, plan); });
  comm.setOperation("loading weights");
  together(comm, [&] { device.allocateArena(plan.ranks()[holdings.pipelineRank].arena_bytes); });
  loadState();
  if (data) {
    order.samples = data->samples();
    order.shuffle = options.shuffle;
    order.seed = options.seed;
    if (root)
      out.say("data: " + std::to_string(data->samples()) + " samples in " +
              counted(data->shards(), "file") + ", " + std::to_string(order.perStep) + " a step, " +
              (order.shuffle ? "shuffled" : "in file order"));
  }
  update.emplace(plan, holdings, device, comm);
}

/// Throws unless the file can be written; leaves it as it is, or absent.
static void checkFile(const char *flag, const std::string &path) {
  if (path.empty())
    return;
  bool existed = fs::exists(path);
  std::FILE *file = std::fopen(path.c_str(), "a");
  if (!file)
    throw RuntimeError(std::string(flag) + ": cannot open " + systemError(path, errno));
  std::fclose(file);
  if (!existed)
    std::remove(path.c_str());
}

void Trainer::checkOutputs() {
  if (!options.save.empty())
    prepareCheckpoints(run(), options.save);
  together(comm, [&] {
    if (!root)
      return;
    checkFile("--log", options.log);
    checkFile("--trace", options.trace);
    checkFile("--save-gradients", options.saveGradients);
  });
  if (!options.trace.empty())
    trace.enable(kTraceEvents);
}

void Trainer::loadState() {
  if (!options.resume.empty()) {
    json saved;
    progress = loadCheckpoint(run(), options.resume, saved);
    together(comm, [&] { takeOptionsFrom(saved); });
    return;
  }
  std::string used;
  size_t unused = 0;
  together(comm, [&] {
    used = options.init.empty() ? findInitialWeights(plan, fs::read_symlink("/proc/self/exe"))
                                : options.init;
    SafetensorsFile file(used);
    if (options.init.empty())
      checkFingerprint(file, plan);
    unused = loadWeights(file, plan, holdings, device);
  });
  if (root)
    out.say("weights: " + used +
            (unused ? " (" + std::to_string(unused) + " tensors that the model has not)" : ""));
}

json Trainer::savedOptions() const {
  json saved = {{"lr", options.lr},
                {"weight-decay", options.weightDecay},
                {"betas", options.betas},
                {"eps", options.eps},
                {"clip", options.clip},
                {"warmup", options.warmup},
                {"schedule", options.schedule}};
  if (options.shuffle)
    saved["seed"] = options.seed;
  return saved;
}

void Trainer::takeOptionsFrom(const json &saved) {
  auto take = [&](const char *name, auto &value) {
    if (!options.given.contains(name) && saved.contains(name))
      saved.at(name).get_to(value);
  };
  take("lr", options.lr);
  take("weight-decay", options.weightDecay);
  take("betas", options.betas);
  take("eps", options.eps);
  take("clip", options.clip);
  take("warmup", options.warmup);
  take("schedule", options.schedule);
  take("seed", options.seed);
  options.shuffle = options.shuffle || saved.contains("seed");
  if (options.betas.size() != 2)
    throw RuntimeError("--resume: state.json has no two betas");
}

/// The step whose samples come next. With the batch that the checkpoint was made with it is where
/// that run stopped; with another, the first whole step after it.
uint64_t Trainer::dataStep() const {
  uint64_t inEpoch = (progress.position + order.perStep - 1) / order.perStep;
  return progress.epoch * order.stepsPerEpoch() + inEpoch;
}

void Trainer::setPosition() {
  uint64_t next = dataStep() + 1;
  progress.epoch = next / order.stepsPerEpoch();
  progress.position = next % order.stepsPerEpoch() * order.perStep;
}

void Trainer::save() {
  if (savedAtStep == progress.step)
    return;
  saveCheckpoint(run(), options.save, progress, savedOptions());
  savedAtStep = progress.step;
}

void Trainer::train() {
  executor.emplace(plan, comm.rank(), device, comm, program.tasks, *data, trace,
                   update->sumsAfter(), std::getenv("BIGMAC_POISON") != nullptr);
  comm.setOperation("connecting the ranks");
  comm.connect();
  values.assign(plan.scalars().size() * plan.header().replicas * plan.header().microbatches + 1, 0);
  if (progress.step >= options.steps && root)
    out.say("nothing to do: " + std::to_string(progress.step) + " steps are done and --steps is " +
            std::to_string(options.steps));
  comm.setOperation("starting");
  together(comm, [&] {
    if (root && !options.log.empty())
      log.open(options.log, !options.resume.empty());
  });
  uint64_t begin = nowNs(), firstStep = progress.step;
  trace.setOrigin(begin);
  while (progress.step < options.steps) {
    try {
      step();
    } catch (const RuntimeError &error) {
      throw RuntimeError("step " + std::to_string(progress.step) + ": " + error.what());
    }
    if (options.saveEvery && progress.step % options.saveEvery == 0)
      save();
  }
  if (!options.save.empty())
    save();
  device.synchronize(); // the last step has ended only then, or failed
  if (root) {
    char text[64];
    std::snprintf(text, sizeof(text), "%s in %.3g s",
                  counted(progress.step - firstStep, "step").c_str(), (nowNs() - begin) * 1e-9);
    out.say(text);
  }
  if (trace.on()) {
    writeTrace(trace, plan, comm, options.trace);
    if (root)
      out.say("trace: " + options.trace);
  }
}

double Trainer::combineScalars(std::span<const double> recorded, StepRecord &record) const {
  size_t each = size_t(plan.header().replicas) * plan.header().microbatches;
  auto scalars = plan.scalars();
  auto of = [&](size_t s) { return recorded.subspan(s * each, each); };
  std::span<const double> weights, losses;
  for (size_t s = 0; s < scalars.size(); ++s) {
    double total = 0;
    for (double value : of(s))
      total += value;
    if (scalars[s].flags & BM_SCALAR_LOSS) {
      losses = of(s);
      record.loss = total / each;
    } else {
      record.scalars.push_back({std::string(plan.text(scalars[s].name)), total / each});
    }
    if (scalars[s].flags & BM_SCALAR_WEIGHT)
      weights = of(s);
  }
  if (weights.empty())
    return 1.0 / each;
  double sum = 0, weighted = 0;
  for (size_t i = 0; i < each; ++i) {
    sum += weights[i];
    // A microbatch of weight 0 (all tokens ignored) may have NaN for its mean loss: it does not
    // count.
    weighted += weights[i] == 0 ? 0 : weights[i] * losses[i];
  }
  record.loss = weighted / sum;
  return 1 / sum;
}

void Trainer::step() {
  StepRecord record;
  record.step = progress.step;
  record.steps = options.steps;
  record.tokens = tokensPerStep;
  uint64_t sampleStep = dataStep();
  record.epoch = sampleStep / order.stepsPerEpoch();
  record.startsOver = sampleStep > 0 && sampleStep % order.stepsPerEpoch() == 0;

  uint64_t begin = nowNs();
  executor->run(sampleStep, order);
  uint64_t reduceBegin = nowNs();
  std::fill(values.begin(), values.end(), 0);
  executor->addRecords(std::span(values).first(values.size() - 1));
  values.back() = update->sumGradients();
  comm.setOperation("sums over the world");
  comm.allSum(values);
  uint64_t reduceEnd = nowNs();
  record.reduce = (reduceEnd - reduceBegin) * 1e-9;
  if (trace.on())
    trace.add("gradient sums", reduceBegin, reduceEnd);

  double factor = combineScalars(std::span<const double>(values).first(values.size() - 1), record);
  if (!options.saveGradients.empty()) {
    saveGradients(run(), options.saveGradients, factor);
    options.saveGradients.clear(); // of the first step of this run only
  }
  finish(record, values.back(), factor, begin);
}

void Trainer::finish(StepRecord &record, double gradSquares, double factor, uint64_t begin) {
  uint64_t optimizerBegin = nowNs();
  record.gradNorm = std::sqrt(gradSquares) * std::abs(factor);
  record.lr = options.lr * scheduleFactor(scheduleNamed(options.schedule), progress.step,
                                          options.warmup, options.steps);
  record.skipped =
      !std::isfinite(record.loss) || !std::isfinite(record.gradNorm) || !std::isfinite(factor);
  if (!record.skipped) {
    // torch.nn.utils.clip_grad_norm_
    double clip = options.clip > 0 ? std::min(1.0, options.clip / (record.gradNorm + 1e-6)) : 1;
    ++progress.optimizerSteps;
    progress.skippedInARow = 0;
    update->step({record.lr, options.betas[0], options.betas[1], options.eps, options.weightDecay,
                  factor, clip, progress.optimizerSteps});
  } else {
    ++progress.skippedInARow;
  }
  uint64_t end = nowNs();
  if (trace.on())
    trace.add("optimizer", optimizerBegin, end);
  record.optimizer = (end - optimizerBegin) * 1e-9;

  setPosition();
  ++progress.step;
  if (options.deterministic) {
    uint64_t hash = update->weightsHash();
    char text[17];
    std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(hash));
    record.weightsHash = text;
  }
  // The arena is static: what it takes shows after the first step.
  if (peakBytes == 0)
    peakBytes = device.residentBytes();
  if (progress.step % 16 == 1 || progress.step == options.steps)
    rssBytes = peakRss(), deviceBytes = device.usedBytes();
  double largest[4] = {double(peakBytes), double(rssBytes), double(deviceBytes),
                       double(executor->hostBytes())};
  double phases[4] = {executor->computeSeconds(), executor->waitSeconds(), record.reduce,
                      record.optimizer};
  comm.setOperation("end of the step");
  comm.allMax(largest);
  comm.allSum(phases);
  record.seconds = (nowNs() - begin) * 1e-9;
  record.peakBytes = largest[0];
  record.rssBytes = largest[1];
  record.deviceBytes = largest[2];
  record.hostBytes = largest[3];
  record.compute = phases[0] / comm.size();
  record.wait = phases[1] / comm.size();
  record.reduce = phases[2] / comm.size();
  record.optimizer = phases[3] / comm.size();
  if (root) {
    log.write(record);
    out.step(record);
  }
  if (progress.skippedInARow >= kMostSkipped) {
    if (root)
      printError(
          "error: NaN or infinity in loss or gradients in " + std::to_string(kMostSkipped) +
          " steps in a row; the weights are those before them. Lower --lr, or look at the data");
    throw Exit{1};
  }
}

} // namespace bigmac::rt
