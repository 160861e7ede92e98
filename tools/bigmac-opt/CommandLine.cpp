//===- CommandLine.cpp - Options of the compiler ---------------------------===//
//
// CLI11 throws, so this file is compiled with exceptions and includes no LLVM header.
//
//===----------------------------------------------------------------------===//

#include "CommandLine.h"

#include "tools/WholeNumber.h"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <cstdlib>
#include <string_view>

using namespace bigmac;

/// Every option is declared here once; `options` receives the values.
static void declare(CLI::App &app, CommandLine &options) {
  auto choice = [](std::vector<std::string> values) { return CLI::IsMember(std::move(values)); };
  auto list = [&](const std::string &name, std::vector<std::string> &values,
                  const std::string &help) {
    return app.add_option(name, values, help)
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  };
  app.set_version_flag("--version", "bigmac " BIGMAC_VERSION);
  app.add_option("model", options.input, "MODEL.onnx, or MLIR of any level (.mlir, - for stdin)");
  app.add_option("-o", options.output,
                 "Output: a training executable; with --compile-to, a file for the IR");
  app.add_option("--compile-to", options.compileTo,
                 "Stop at a level and print it; what it prints can be fed back in")
      ->check(choice({"import", "training", "pipeline", "scheduled", "rt", "llvm", "exe"}));

  app.add_option("--target", options.target, "cpu, or cuda")->capture_default_str();
  app.add_option("--cpu", options.cpu, "CPU to generate code for, as clang's -march")
      ->capture_default_str();
  app.add_option("--ranks", options.ranks, "Pipeline ranks P")
      ->check(checkWhole<int64_t>)
      ->capture_default_str();
  app.add_option("--data-parallel", options.replicas, "Data-parallel replicas D")
      ->check(checkWhole<int64_t>)
      ->capture_default_str();
  app.add_option("--chunks", options.chunks, "LLM chunks a rank V")
      ->check(checkWhole<int64_t>)
      ->capture_default_str();
  app.add_option("--microbatches", options.microbatches,
                 "Microbatches a step and replica M (default: ranks)")
      ->check(checkWhole<int64_t>);
  app.add_option(
         "--schedule", options.schedule,
         "bigmac, bigmac-zb, encoder-first, interleaved, separate-stages, 1f1b, zb or gpipe")
      ->capture_default_str();
  app.add_option("--effort", options.effort, "How far searches go")
      ->check(checkWhole<int64_t>)
      ->capture_default_str();
  app.add_flag("--robust", options.robust,
               "Choose among the schedules within 1% of the fastest one that loses little when "
               "times vary");

  list("--dim", options.dims, "NAME=VALUE: size of a symbolic dimension");
  list("--component", options.components,
       "ROLE=PATTERN: what is encoder, llm or generator, by a glob over parameter names and "
       "module scopes");
  list("--freeze", options.freeze, "Glob over names of parameters that are not trained");
  list("--train", options.train, "Glob over names of parameters that are trained");
  app.add_option("--loss", options.loss, "Name of the output that is the loss");
  app.add_option("--loss-weight", options.lossWeight,
                 "Name of the output that weights each microbatch's loss");
  app.add_flag("--print-parameters", options.printParameters,
               "Print which parameters are trained, frozen or constant, and why");

  app.add_option("--precision", options.precision, "Of parameters and activations: fp32 or bf16")
      ->check(choice({"fp32", "bf16"}))
      ->capture_default_str();
  app.add_option("--master", options.master, "Master weights with bf16: fp32 or none")
      ->check(choice({"fp32", "none"}))
      ->capture_default_str();
  app.add_option("--grads", options.grads, "Gradients' accumulators with bf16: fp32 or bf16")
      ->check(choice({"fp32", "bf16"}))
      ->capture_default_str();
  app.add_option("--pack-projections", options.packProjections,
                 "Projections of one value become one product: none, auto (for CUDA) or all")
      ->check(choice({"none", "auto", "all"}))
      ->capture_default_str();
  app.add_option(
         "--epilogues", options.epilogues,
         "What libraries compute at the end of a product (CUDA): none, or auto (what they can)")
      ->check(choice({"none", "auto"}))
      ->capture_default_str();
  app.add_option("--memory-limit", options.memoryLimit, "Bytes a rank may use (0: any)")
      ->check(checkWhole<int64_t>);
  app.add_option("--recompute", options.recompute,
                 "What backwards compute again to save memory: none, auto (what --memory-limit "
                 "needs) or full")
      ->check(choice({"none", "auto", "full"}))
      ->capture_default_str();
  app.add_option("--offload", options.offload,
                 "What waits in the host's memory between forward and backward: none, auto (what "
                 "--memory-limit needs, where it pays) or all")
      ->check(choice({"none", "auto", "all"}))
      ->capture_default_str();
  app.add_option("--host-limit", options.hostLimit,
                 "Bytes of the host's memory that a rank may use for that (0: what the device has)")
      ->check(checkWhole<int64_t>);
  app.add_option("--workspace", options.workspace, "Bytes of library workspace (CUDA)")
      ->check(checkWhole<int64_t>);
  app.add_option("--device", options.device,
                 "Device that the plan is for: a100, cpu, h100, h200, h800, or FILE.json")
      ->capture_default_str();
  app.add_flag("--auto", options.automatic,
               "Choose ranks, chunks, replicas, microbatches and schedule; print the ranking");
  app.add_option("--world-size", options.world,
                 "Devices that --auto arranges (default: ranks x data-parallel)")
      ->check(checkWhole<int64_t>);
  app.add_option("--global-batch", options.globalBatch,
                 "Samples of a step that --auto divides (default: those of the microbatches)")
      ->check(checkWhole<int64_t>);
  app.add_option("--profile", options.profile,
                 "Plan with the measured times of a trace (train --trace FILE)");
  app.add_option("--report", options.report,
                 "Write a report: FILE.json, FILE.html, or - for JSON on stdout");
  app.add_option("--cache-dir", options.cacheFolder,
                 "Folder of compiled task code (default: the user's cache folder)");
  app.add_flag("--no-cache", options.noCache, "Compile task code anew and keep none");
  app.add_flag("--timing", options.timing, "Print the seconds of each phase");
  app.add_flag("--verify-roundtrip", options.verifyRoundTrip,
               "Check that the IR of each level read is what was printed");
}

static bool endsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

bool bigmac::isCompilerCommandLine(int argc, const char *const *argv) {
  CLI::App app;
  CommandLine ignored;
  declare(app, ignored);
  bool chosen = false;
  for (int i = 1; i < argc; ++i) {
    std::string_view argument = argv[i];
    if (argument == "--help" || argument == "-h" || argument == "--version")
      return true;
    if (endsWith(argument, ".onnx") || endsWith(argument, ".pt"))
      return true;
    if (argument.size() < 2 || argument[0] != '-')
      continue;
    std::string name(argument.substr(0, argument.find('=')));
    const CLI::Option *option = app.get_option_no_throw(name);
    if (!option)
      return false;
    // mlir-opt has it too, so it says nothing about which of the two is meant.
    if (name == "--verify-roundtrip")
      continue;
    chosen = true;
    if (option->get_expected_min() > 0 && argument.find('=') == std::string_view::npos)
      ++i;
  }
  return chosen;
}

/// The user's cache folder, as the XDG base directory specification says.
static std::string defaultCacheFolder() {
  if (const char *folder = std::getenv("XDG_CACHE_HOME"); folder && *folder)
    return std::string(folder) + "/bigmac";
  if (const char *home = std::getenv("HOME"); home && *home)
    return std::string(home) + "/.cache/bigmac";
  return "";
}

std::optional<CommandLine> bigmac::parseCommandLine(int argc, const char *const *argv,
                                                    int &status) {
  CommandLine options;
  CLI::App app("Compiles the training of a multimodal LLM.\n\n"
               "  bigmac-opt MODEL.onnx [options] -o train     links a training executable\n"
               "  bigmac-opt MODEL.onnx --compile-to=LEVEL     prints the IR of a level\n"
               "  bigmac-opt FILE.mlir --PASS ...              runs passes, as mlir-opt does\n",
               "bigmac-opt");
  declare(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    if (error.get_exit_code() != 0)
      std::fprintf(stderr, "bigmac-opt: error: %s (--help lists the options)\n", error.what());
    status = error.get_exit_code() == 0 ? app.exit(error) : 1;
    return std::nullopt;
  }
  for (const CLI::Option *option : app.get_options())
    if (option->count() > 0)
      options.given.insert(option->get_name());
  if (options.noCache)
    options.cacheFolder.clear();
  else if (options.cacheFolder.empty())
    options.cacheFolder = defaultCacheFolder();
  return options;
}
