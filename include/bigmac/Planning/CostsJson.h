//===- CostsJson.h - COSTS.json ---------------------------------*- C++ -*-===//
//
//   {"llm": {"forward": f, "backward_input": b, "backward_weight": w},
//    "encoder": {"forward": .., "backward": ..}, "generator": {"forward": .., "backward": ..},
//    "transfer": t,
//    "activation_bytes": {"llm": a, "weight_gradient": g, "encoder": e, "generator": h}}
//
// Seconds and bytes. `llm` figures are a number, or a list of ranks*chunks numbers in stage order;
// encoder and generator figures a number, or a list with one for each microbatch. `backward_input`
// may be null, or have nulls in its list. `encoder`, `generator`, their `backward`, `transfer` and
// `activation_bytes` may be absent.
//
// The text is not trusted: its size, nesting and list lengths are limited, and a duplicate or
// unknown key, a number that is negative or not finite, and a wrong type are errors.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_PLANNING_COSTSJSON_H
#define BIGMAC_PLANNING_COSTSJSON_H

#include "bigmac/Planning/Costs.h"
#include "bigmac/Planning/Result.h"

#include <string>
#include <string_view>

namespace bigmac::planning {

/// Reads costs from JSON text. `name` says in messages where it came from. List lengths are checked
/// later, by validateCosts, against the counts of ranks, chunks and microbatches.
Result<Costs> parseCosts(std::string_view text, std::string_view name);

/// The same from a file of at most 64 MiB.
Result<Costs> readCostsFile(const std::string &path);

} // namespace bigmac::planning

#endif // BIGMAC_PLANNING_COSTSJSON_H
