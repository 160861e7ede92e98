//===- Main.cpp - bigmac-memplan: lifetimes to offsets --------------------===//
//
// Reads lifetimes as CSV, places them, proves the placement, and writes it. A table that has
// offsets already is proved as it is.
//
//===----------------------------------------------------------------------===//

#include "bigmac/Planning/MemoryCsv.h"
#include "tools/WholeNumber.h"
#include "tools/bigmac-sim/OutputFile.h"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>
#include <new>

using namespace bigmac::planning;

namespace {

/// The exit status when nothing is wrong but the capacity.
constexpr int tooLarge = 2;

struct Options {
  std::string input;
  std::optional<uint64_t> capacity;
  std::string output;
  uint32_t effort = 1;
};

void declareOptions(CLI::App &app, Options &options) {
  app.add_option("buffers", options.input, "Lifetimes and sizes, in MiniMalloc's format")
      ->required()
      ->type_name("FILE.csv");
  app.add_option("--capacity", options.capacity,
                 "Bytes that there are; without it the least peak is looked for")
      ->type_name("N")
      ->check(bigmac::checkWhole<uint64_t>);
  app.add_option("--output", options.output,
                 "Write the buffers with their offsets; - prints them in place of the figures")
      ->type_name("FILE");
  app.add_option("--effort", options.effort, "How far to search")
      ->type_name("N")
      ->check(bigmac::checkWhole<uint64_t>)
      ->check(CLI::Range(0u, 1000u))
      ->capture_default_str();
}

int fail(const std::string &message, int status = 1) {
  std::fprintf(stderr, "bigmac-memplan: error: %s\n", message.c_str());
  return status;
}

/// Places what has no offsets. What has is checked: `placement` then is what was read.
Status place(const MemoryTable &table, const Options &options, Placement &placement) {
  if (!table.offsets) {
    Result<Placement> placed = placeBuffers(table.buffers, {options.effort, options.capacity});
    if (!placed)
      return Error{options.input + ": " + placed.message()};
    placement = std::move(*placed);
  } else {
    // Also checks the sizes.
    Result<Placement> other = placeBuffers(table.buffers, {0, std::nullopt});
    if (!other)
      return Error{options.input + ": " + other.message()};
    placement.offsets = *table.offsets;
    placement.lowerBound = placement.leastPeak = other->lowerBound;
    for (size_t i = 0; i < table.buffers.size(); ++i)
      if (table.buffers[i].size > 0 && table.buffers[i].lower < table.buffers[i].upper)
        placement.peak = std::max(placement.peak, placement.offsets[i] + table.buffers[i].size);
  }
  if (Status proof = verifyPlacement(table.buffers, placement.offsets); !proof)
    return Error{options.input + ": " + proof.message() +
                 " (buffers counted from 0, in the order of the lines)"};
  return Status::success();
}

std::string misfit(const Options &options, const MemoryTable &table, const Placement &placement) {
  std::string text =
      options.input + ": does not fit in " + std::to_string(*options.capacity) + " bytes: ";
  if (table.offsets)
    return text + "its offsets reach " + std::to_string(placement.peak);
  text += "the least peak found is " + std::to_string(placement.peak);
  if (placement.lowerBound > *options.capacity)
    return text + "; no placement fits, as " + std::to_string(placement.lowerBound) +
           " bytes are alive at once";
  if (placement.leastPeak > *options.capacity)
    return text + "; no placement fits, all were ruled out";
  return text + "; " + std::to_string(placement.lowerBound) +
         " bytes are alive at once, so a larger --effort may find one that fits";
}

int runTool(int argc, char **argv) {
  Options options;
  CLI::App app("bigmac-memplan: places buffers of known lifetimes in as few bytes as it can, and "
               "proves that none overlap",
               "bigmac-memplan");
  declareOptions(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    if (error.get_exit_code() == 0)
      return app.exit(error);
    return fail(std::string(error.what()) + " (--help lists the options)");
  }
  Result<MemoryTable> table = readMemoryTable(options.input);
  if (!table)
    return fail(table.message());
  Placement placement;
  if (Status status = place(*table, options, placement); !status)
    return fail(status.message());
  if (options.capacity && placement.peak > *options.capacity)
    return fail(misfit(options, *table, placement), tooLarge);

  if (!options.output.empty()) {
    bigmac::sim::OutputFile file(options.output);
    file.write(printMemoryTable(*table, placement.offsets));
    if (Status status = file.commit(); !status)
      return fail(status.message());
  }
  if (options.output == "-")
    return 0;
  std::printf("buffers        %zu\n", table->buffers.size());
  if (options.capacity)
    std::printf("capacity       %llu bytes\n", static_cast<unsigned long long>(*options.capacity));
  std::printf("peak           %llu bytes\n", static_cast<unsigned long long>(placement.peak));
  std::printf("lower bound    %llu bytes, the most that are alive at once\n",
              static_cast<unsigned long long>(placement.lowerBound));
  std::printf("fragmentation  %.4f, the peak over the lower bound\n", placement.fragmentation());
  if (std::fflush(stdout) != 0 || std::ferror(stdout))
    return fail("the standard output cannot be written");
  return 0;
}

} // namespace

int main(int argc, char **argv) {
  try {
    return runTool(argc, argv);
  } catch (const std::bad_alloc &) {
    return fail("out of memory");
  } catch (const std::exception &error) {
    return fail(error.what());
  }
}
