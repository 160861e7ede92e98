// What --dry-run prints.

#include "Trainer.h"

#include <algorithm>
#include <cstdio>

namespace bigmac::rt {

static std::string megabytes(uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof(text), "%10.1f", static_cast<double>(bytes) / (1 << 20));
  return text;
}

std::string Trainer::describePlan() const {
  const bm_plan &h = plan.header();
  uint64_t trained = 0, frozen = 0;
  for (const bm_param &param : plan.params())
    (plan.classes()[param.class_index].kind == BM_CLASS_TRAINED ? trained : frozen) +=
        plan.elements(param.dims);
  std::string text = "model " + std::string(plan.text(h.model)) + ", target " +
                     std::string(plan.text(h.target)) + ", by " +
                     std::string(plan.text(h.compiler)) + "\n";
  if (h.options.size)
    text += "compiled with " + std::string(plan.text(h.options)) + "\n";
  auto firstTrained = std::find_if(plan.classes().begin(), plan.classes().end(),
                                   [](auto &entry) { return entry.kind == BM_CLASS_TRAINED; });
  if (firstTrained != plan.classes().end())
    text += "parameters " + std::string(dtypeName(firstTrained->dtype)) + ", gradients " +
            std::string(dtypeName(firstTrained->grad_dtype)) + ", optimizer moments " +
            std::string(dtypeName(firstTrained->moment_dtype)) +
            (plan.members(*firstTrained)[0].master_offset != BM_NONE64 ? ", master weights float32"
                                                                       : "") +
            "\n";
  text += worldText(plan) + ", " + std::to_string(h.microbatches) + " microbatches of " +
          std::to_string(h.samples) + " samples\n" + std::to_string(trained) + " trained and " +
          std::to_string(frozen) + " frozen elements\ninputs:";
  for (const bm_input &input : plan.inputs())
    text += "\n  " + std::string(plan.text(input.name)) + " " +
            describe(safetensorsType(input.dtype), plan.dims(input.dims));
  text += "\nMiB at the peak: the arena, memory of the host for what is offloaded, and by class "
          "(classes "
          "share bytes at different times, so the arena may be smaller than their sum):\n"
          "  rank    arena        host  parameters   gradients   optimizer         llm     encoder "
          "  generator   "
          "transfers   workspace      inputs  instructions\n";
  for (uint32_t r = 0; r < h.ranks; ++r) {
    const bm_rank &rank = plan.ranks()[r];
    char label[16];
    std::snprintf(label, sizeof(label), "  %4u", r);
    text += label + megabytes(rank.arena_bytes).substr(1) + "  " + megabytes(rank.host_bytes);
    for (uint64_t bytes : rank.memory)
      text += "  " + megabytes(bytes);
    std::snprintf(label, sizeof(label), "%14llu",
                  static_cast<unsigned long long>(rank.instrs.count));
    text += label;
    text += '\n';
  }
  if (program.cuda && program.cuda->matmul_count + program.cuda->attention_count)
    text += "library calls of each rank: " + counted(program.cuda->matmul_count, "matrix product") +
            " and " + counted(program.cuda->attention_count, "attention") + "\n";
  if (program.cuda && program.cuda->workspace_bytes)
    text += "beside each arena: " + std::to_string(program.cuda->workspace_bytes) +
            " bytes of workspace for them\n";
  text += "transfers pair up and cannot deadlock";
  return text;
}

} // namespace bigmac::rt
