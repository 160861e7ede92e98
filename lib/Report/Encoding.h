//===- Encoding.h - A schedule as a page carries it -------------*- C++ -*-===//
//
// Two parts: `meta`, JSON with all that is short, and `data`, columns with one entry for each
// action (Columns.h), rank by rank in order. page/data.js reads them back; it and Encoding.cpp must
// agree.
//
//   kind        component * 4 + phase, as in planning::Action
//   chunk       of LLM actions
//   unit        of the others: minus microbatch / ranks
//   microbatch  minus the last one of the same kind and chunk on the rank
//   gap         ticks from the end of the rank's last action to the start of this one
//   duration    ticks
//   producers   how many
//   rank        for each producer: its rank minus the action's
//   position    for each producer: its position in its rank's order, minus that of the producer
//   with
//               the same number of the last action of the same kind and chunk on the rank
//   slot        for each memory step: 2 * action, plus 1 if at its end, minus the last step's
//   class       for each memory step
//   change      for each memory step: bytes
//
// A tick is a power of two of seconds, so that times are exact doubles again; 2^36 of them or fewer
// make the whole.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_REPORT_ENCODING_H
#define BIGMAC_LIB_REPORT_ENCODING_H

#include "bigmac/Report/Content.h"

#include <nlohmann/json.hpp>

#include <string>

namespace bigmac::report {

struct Encoded {
  nlohmann::ordered_json meta;
  /// Base64 of the deflated columns.
  std::string data;
};

/// Errors: a timing or memory that is not the schedule's, dependencies on actions that it lacks.
planning::Result<Encoded> encode(const Content &content);

/// That the timing and the memory are the schedule's.
planning::Status checkContent(const Content &content);

} // namespace bigmac::report

#endif // BIGMAC_LIB_REPORT_ENCODING_H
