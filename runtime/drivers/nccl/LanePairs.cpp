#include "LanePairs.h"

#include <set>
#include <sstream>

namespace bigmac::rt {

/// In a text, what is empty.
static const char kNone[] = "-";

static std::string orNone(const std::string &text) { return text.empty() ? kNone : text; }

std::string toText(const RankLanes &lanes) {
  std::ostringstream out;
  out << orNone(lanes.machine) << ' ' << orNone(lanes.arena) << ' ' << orNone(lanes.signals) << ' '
      << lanes.ends.size();
  for (const auto &[lane, end] : lanes.ends) {
    out << '\n'
        << lane.from << ' ' << lane.to << ' ' << lane.tag << ' ' << end.signal << ' '
        << end.messages.size();
    for (const LaneMessage &message : end.messages)
      out << ' ' << message.offset << ' ' << message.bytes;
  }
  return out.str();
}

RankLanes rankLanesFromText(const std::string &text) {
  std::istringstream in(text);
  RankLanes result;
  for (std::string *field : {&result.machine, &result.arena, &result.signals}) {
    in >> *field;
    if (*field == kNone)
      field->clear();
  }
  size_t ends = 0;
  in >> ends;
  for (size_t i = 0; i < ends; ++i) {
    Lane lane{};
    LaneEnd end;
    size_t messages = 0;
    in >> lane.from >> lane.to >> lane.tag >> end.signal >> messages;
    for (size_t m = 0; m < messages; ++m) {
      LaneMessage message{};
      in >> message.offset >> message.bytes;
      end.messages.push_back(message);
    }
    result.ends[lane] = std::move(end);
  }
  return result;
}

static std::string describe(const Lane &lane, const LaneEnd *end, bool sends) {
  uint64_t bytes = 0;
  for (const LaneMessage &message : end ? end->messages : std::vector<LaneMessage>())
    bytes += message.bytes;
  return "rank " + std::to_string(sends ? lane.from : lane.to) + (sends ? " sends " : " expects ") +
         std::to_string(end ? end->messages.size() : 0) + " messages of " + std::to_string(bytes) +
         " bytes in all";
}

std::string findUnpairedLane(const std::vector<RankLanes> &ranks) {
  std::set<Lane> lanes;
  for (const RankLanes &rank : ranks)
    for (const auto &[lane, end] : rank.ends)
      lanes.insert(lane);
  for (const Lane &lane : lanes) {
    auto endAt = [&](uint32_t rank) -> const LaneEnd * {
      if (rank >= ranks.size())
        return nullptr;
      auto it = ranks[rank].ends.find(lane);
      return it == ranks[rank].ends.end() ? nullptr : &it->second;
    };
    const LaneEnd *sent = endAt(lane.from), *expected = endAt(lane.to);
    std::string what = "transfers from rank " + std::to_string(lane.from) + " to rank " +
                       std::to_string(lane.to) + " in lane " + std::to_string(lane.tag) + ": ";
    if (!sent || !expected || sent->messages.size() != expected->messages.size())
      return what + describe(lane, sent, true) + ", " + describe(lane, expected, false);
    for (size_t i = 0; i < sent->messages.size(); ++i)
      if (sent->messages[i].bytes != expected->messages[i].bytes)
        return what + "message " + std::to_string(i) + " is sent with " +
               std::to_string(sent->messages[i].bytes) + " bytes and expected with " +
               std::to_string(expected->messages[i].bytes);
  }
  return "";
}

} // namespace bigmac::rt
