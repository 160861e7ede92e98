#include "CallTimes.h"

#include <algorithm>
#include <cstdio>

namespace bigmac::rt {

CallTimes::~CallTimes() {
  for (const Pending &each : pending)
    unused.insert(unused.end(), {each.begin, each.end});
  for (CUevent event : unused)
    api.cuEventDestroy(event);
}

CUevent CallTimes::record() {
  CUevent event = nullptr;
  if (unused.empty()) {
    checkCuda(api.cuEventCreate(&event, CU_EVENT_DEFAULT), "creating an event");
  } else {
    event = unused.back();
    unused.pop_back();
  }
  checkCuda(api.cuEventRecord(event, stream), "recording an event");
  return event;
}

void CallTimes::begin() { begun = record(); }

void CallTimes::end(const std::string &action, const std::string &call) {
  pending.push_back({begun, record(), action + "\t" + call});
}

void CallTimes::collect() {
  for (Pending &each : pending) {
    float ms = 0;
    checkCuda(api.cuEventElapsedTime(&ms, each.begin, each.end), "reading an event's time");
    double seconds = static_cast<double>(ms) * 1e-3;
    Sum &sum = sums[each.name];
    sum.least = sum.count == 0 ? seconds : std::min(sum.least, seconds);
    sum.seconds += seconds;
    ++sum.count;
    unused.push_back(each.begin);
    unused.push_back(each.end);
  }
  pending.clear();
}

std::string CallTimes::table() const {
  std::vector<const std::pair<const std::string, Sum> *> rows;
  for (const auto &row : sums)
    rows.push_back(&row);
  std::sort(rows.begin(), rows.end(),
            [](auto *a, auto *b) { return a->second.seconds > b->second.seconds; });
  std::string text;
  for (const auto *row : rows) {
    char numbers[96];
    std::snprintf(numbers, sizeof(numbers), "%.6f\t%llu\t%.7f\t", row->second.seconds,
                  static_cast<unsigned long long>(row->second.count), row->second.least);
    text += numbers + row->first + "\n";
  }
  return text;
}

} // namespace bigmac::rt
