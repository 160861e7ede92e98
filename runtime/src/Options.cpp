#include "Options.h"

#include <CLI/CLI.hpp>
#include <cmath>
#include <numbers>
#include <sstream>

namespace bigmac::rt {

namespace {

/// Rejects what is not a finite number in [low, high).
CLI::Validator inRange(double low, double high, const std::string &name) {
  return CLI::Validator(
      [=](std::string &text) {
        double value = 0;
        if (!CLI::detail::lexical_cast(text, value) || !std::isfinite(value) || value < low ||
            value >= high)
          return "expected a number " + name + ", got '" + text + "'";
        return std::string();
      },
      "");
}

/// Breaks each line of `text` at blanks, so that it has `width` characters at most.
std::string wrapped(const std::string &text, size_t width) {
  std::istringstream lines(text);
  std::string result;
  for (std::string line; std::getline(lines, line); result += '\n') {
    size_t column = 0;
    std::istringstream words(line);
    for (std::string word; words >> word;) {
      bool fits = column + 1 + word.size() <= width;
      if (column)
        result += fits ? ' ' : '\n';
      column = (column && fits ? column + 1 : 0) + word.size();
      result += word;
    }
  }
  result.pop_back();
  return result;
}

constexpr const char *kFooter =
    R"(Data: sample i of microbatch m of replica d at step t (from 0) is sample ((t*D + d)*M + m)*b + i, for
D replicas, M microbatches and b samples in each. An incomplete last step is dropped; data that end
start over.
Log: each line has step (from 0), loss, the other scalar outputs by name (means over all microbatches),
grad_norm (before clipping), lr, tokens_per_s (elements of the widest integer input of two dimensions,
else samples), step_seconds, peak_bytes (memory behind the arena) and rss_bytes (of the whole process),
both of the largest rank, phases (seconds in compute, wait, reduce, optimizer; mean over ranks), epoch;
where they apply device_bytes (of the device's memory in use, with what its libraries take),
data_starts_over, skipped, weights_hash. NaN is null.
A step with NaN or infinity in its loss or gradients is skipped: the weights stay. Ten in a row end the
run.
Exit status: 0 done, 1 error, 2 wrong command line.)";

constexpr double kInfinity = std::numeric_limits<double>::infinity();

} // namespace

Parsed parseOptions(int argc, const char *const *argv, const std::string &about) {
  Options o;
  CLI::App app(about);
  app.option_defaults()->always_capture_default();
  auto nonNegative = inRange(0, kInfinity, "of at least 0");
  auto text = [](CLI::Option *option, const char *type) {
    return option->type_name(type)->always_capture_default(false)->default_str("");
  };

  std::string group = "Training";
  text(app.add_option("--data", o.data,
                      "Folder of .safetensors shards, read in order of their names. Each holds one "
                      "tensor for each input, named after it, first dimension = samples"),
       "DIR")
      ->group(group);
  app.add_option("--steps", o.steps,
                 "Train until this many steps are done, counting those of the checkpoint that "
                 "--resume loads")
      ->type_name("N")
      ->check(CLI::Range(uint64_t(1), uint64_t(1) << 40))
      ->default_str("")
      ->group(group);
  text(app.add_option("--init", o.init,
                      "Initial weights: a safetensors file with this model's parameter names "
                      "(default: the file that the compiler wrote beside this program)"),
       "FILE")
      ->group(group);
  auto *seed =
      app.add_option(
             "--seed", o.seed,
             "Shuffle the samples, anew in each pass over the data (default: in file order)")
          ->type_name("N")
          ->default_str("")
          ->group(group);
  app.add_option("--threads", o.threads, "Threads of matrix products, in each rank")
      ->type_name("N")
      ->check(CLI::Range(1u, 1024u))
      ->group(group);
  app.add_flag("--deterministic", o.deterministic,
               "The same bits in every run (on the CPU this always holds), and a hash of the "
               "weights in the log after each step")
      ->group(group);

  group = "Optimizer (AdamW, fp32)";
  app.add_option("--lr", o.lr, "Learning rate")->type_name("X")->check(nonNegative)->group(group);
  app.add_option("--weight-decay", o.weightDecay,
                 "Decoupled weight decay, of parameters with two or more dimensions")
      ->type_name("X")
      ->check(nonNegative)
      ->group(group);
  app.add_option("--betas", o.betas, "Decay of the two moments")
      ->type_name("A,B")
      ->delimiter(',')
      ->expected(2)
      ->check(inRange(0, 1, "in [0, 1)"))
      ->default_str("0.9,0.999")
      ->group(group);
  app.add_option("--eps", o.eps, "Added to the root of the second moment")
      ->type_name("X")
      ->check(nonNegative)
      ->group(group);
  app.add_option("--clip", o.clip, "Largest global gradient norm; 0 does not clip")
      ->type_name("X")
      ->check(nonNegative)
      ->group(group);
  app.add_option("--warmup", o.warmup, "Steps in which the learning rate rises from 0")
      ->type_name("N")
      ->group(group);
  app.add_option(
         "--schedule", o.schedule,
         "Learning rate after the warm-up: constant, linear (to 0 at --steps) or cosine (likewise)")
      ->type_name("NAME")
      ->check(CLI::IsMember({"constant", "linear", "cosine"}))
      ->group(group);

  group = "Checkpoints";
  auto *save = text(app.add_option("--save", o.save,
                                   "Write checkpoints DIR/step-N at the end (and see "
                                   "--save-every); DIR/latest points to the newest"),
                    "DIR")
                   ->group(group);
  app.add_option("--save-every", o.saveEvery,
                 "Write a checkpoint every N steps as well; 0: only at the end")
      ->type_name("N")
      ->needs(save)
      ->group(group);
  text(
      app.add_option(
          "--resume", o.resume,
          "Go on from the newest whole checkpoint of a --save folder, or from one step-N folder. "
          "Optimizer and seed options that are not given are the checkpoint's; --init is not used"),
      "DIR")
      ->group(group);

  group = "Output";
  text(app.add_option("--log", o.log, "One JSON line a step (a resumed run appends)"), "FILE")
      ->group(group);
  text(app.add_option("--trace", o.trace,
                      "Chrome/Perfetto trace of each rank's actions, written at the end"),
       "FILE")
      ->group(group);
  text(app.add_option("--save-gradients", o.saveGradients,
                      "Safetensors file of the first step's gradients, before clipping"),
       "FILE")
      ->group(group);
  app.add_flag("--quiet", o.quiet, "No progress lines; errors and warnings only")->group(group);
  app.add_flag("--dry-run", o.dryRun,
               "Check everything (ranks, plan, weights, data if given, outputs), print the plan, "
               "and stop before the first step")
      ->group(group);
  app.add_option("--timeout", o.timeout,
                 "Seconds that a rank waits for another before it ends the run; 0: for ever")
      ->type_name("SECONDS")
      ->check(nonNegative)
      ->group(group);

  app.footer(kFooter);
  for (CLI::Option *option : app.get_options())
    option->description(wrapped(option->get_description(), 68));

  Parsed parsed;
  try {
    app.parse(argc, argv);
    if (!o.dryRun && o.data.empty())
      throw CLI::RequiredError("--data");
    if (!o.dryRun && o.steps == 0)
      throw CLI::RequiredError("--steps");
  } catch (const CLI::ParseError &error) {
    std::ostringstream out, err;
    bool help = app.exit(error, out, err) == 0;
    parsed.status = help ? 0 : 2;
    parsed.text = help ? out.str() : "error: " + err.str();
    return parsed;
  }
  o.shuffle = seed->count() > 0;
  for (const CLI::Option *option : app.get_options())
    if (option->count() > 0)
      o.given.insert(option->get_single_name());
  parsed.options = std::move(o);
  return parsed;
}

Schedule scheduleNamed(const std::string &name) {
  return name == "linear"   ? Schedule::Linear
         : name == "cosine" ? Schedule::Cosine
                            : Schedule::Constant;
}

double scheduleFactor(Schedule schedule, uint64_t step, uint64_t warmup, uint64_t steps) {
  if (step < warmup)
    return static_cast<double>(step) / static_cast<double>(warmup);
  if (schedule == Schedule::Constant)
    return 1;
  double total = steps > warmup ? static_cast<double>(steps - warmup) : 1;
  double progress = std::min(1.0, static_cast<double>(step - warmup) / total);
  if (schedule == Schedule::Linear)
    return 1 - progress;
  return 0.5 * (1 + std::cos(std::numbers::pi * progress));
}

} // namespace bigmac::rt
