#include "Log.h"

#include "Together.h"
#include "Trace.h"
#include "bigmac-rt/Error.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace bigmac::rt {

std::string jsonLine(const StepRecord &r) {
  nlohmann::ordered_json line;
  line["step"] = r.step;
  line["loss"] = r.loss;
  nlohmann::ordered_json rest = {
      {"grad_norm", r.gradNorm},
      {"lr", r.lr},
      {"tokens_per_s", r.seconds > 0 ? static_cast<double>(r.tokens) / r.seconds : 0.0},
      {"step_seconds", r.seconds},
      {"peak_bytes", r.peakBytes},
      {"rss_bytes", r.rssBytes},
      {"phases",
       {{"compute", r.compute},
        {"wait", r.wait},
        {"reduce", r.reduce},
        {"optimizer", r.optimizer}}},
      {"epoch", r.epoch}};
  if (r.deviceBytes)
    rest["device_bytes"] = r.deviceBytes;
  if (r.hostBytes)
    rest["host_bytes"] = r.hostBytes;
  if (r.startsOver)
    rest["data_starts_over"] = true;
  if (r.skipped)
    rest["skipped"] = true;
  if (!r.weightsHash.empty())
    rest["weights_hash"] = r.weightsHash;
  static const char *const reserved[] = {
      "step",         "loss",         "grad_norm", "lr",    "tokens_per_s",     "step_seconds",
      "peak_bytes",   "rss_bytes",    "phases",    "epoch", "data_starts_over", "skipped",
      "weights_hash", "device_bytes", "host_bytes"};
  for (const auto &[name, value] : r.scalars) {
    bool taken = std::find(std::begin(reserved), std::end(reserved), name) != std::end(reserved);
    line[taken ? "output." + name : name] = value;
  }
  line.update(rest);
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

JsonLog::~JsonLog() {
  if (file)
    std::fclose(file);
}

void JsonLog::open(const std::string &name, bool append) {
  path = name;
  file = std::fopen(path.c_str(), append ? "a" : "w");
  if (!file)
    throw RuntimeError("--log: cannot open " + systemError(path, errno));
}

void JsonLog::write(const StepRecord &record) {
  if (!file)
    return;
  std::string line = jsonLine(record) + "\n";
  if (std::fwrite(line.data(), 1, line.size(), file) != line.size() || std::fflush(file) != 0)
    throw RuntimeError("--log: cannot write " + systemError(path, errno));
}

bool outputIsTerminal(bool underMpirun) {
  const char *term = std::getenv("TERM");
  if (!isatty(STDOUT_FILENO) || !term || std::strcmp(term, "dumb") == 0)
    return false;
  if (!underMpirun)
    return true;
  char target[256];
  std::string link = "/proc/" + std::to_string(getppid()) + "/fd/1";
  ssize_t n = readlink(link.c_str(), target, sizeof(target) - 1);
  return n > 0 && std::strncmp(target, "/dev/pts/", 9) == 0;
}

static std::string shortNumber(double value) {
  char text[32];
  const char *unit = "";
  if (value >= 1e9)
    value /= 1e9, unit = "G";
  else if (value >= 1e6)
    value /= 1e6, unit = "M";
  else if (value >= 1e3)
    value /= 1e3, unit = "k";
  std::snprintf(text, sizeof(text), "%.3g%s", value, unit);
  return text;
}

static std::string clockTime(double seconds) {
  auto s = static_cast<unsigned long long>(seconds + 0.5);
  char text[48];
  if (s >= 3600)
    std::snprintf(text, sizeof(text), "%llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
  else
    std::snprintf(text, sizeof(text), "%llu:%02llu", s / 60, s % 60);
  return text;
}

ProgressLine::ProgressLine(std::FILE *out, bool quiet, bool terminal)
    : out(out), quiet(quiet), terminal(terminal && !quiet) {}

ProgressLine::~ProgressLine() {
  if (drawn)
    std::fputc('\n', out);
}

void ProgressLine::clear() {
  if (drawn)
    std::fputs("\r\x1b[K", out);
  drawn = false;
}

void ProgressLine::say(const std::string &text) {
  if (quiet)
    return;
  clear();
  std::fprintf(out, "%s\n", text.c_str());
  std::fflush(out);
}

void ProgressLine::warn(const std::string &text) {
  clear();
  std::fflush(out);
  printError("warning: " + text);
}

std::string ProgressLine::line(const StepRecord &r) const {
  char text[160];
  std::snprintf(text, sizeof(text), "step %llu/%llu  loss %.5g",
                static_cast<unsigned long long>(r.step + 1),
                static_cast<unsigned long long>(r.steps), r.loss);
  std::string result = text;
  if (terminal && !curve.empty()) {
    static const char *const bars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    auto [low, high] = std::minmax_element(curve.begin(), curve.end());
    result += ' ';
    for (double loss : curve) {
      double height = *high > *low ? (loss - *low) / (*high - *low) : 0;
      result += bars[std::clamp(static_cast<int>(height * 7.999), 0, 7)];
    }
  }
  size_t shown = 0;
  for (const auto &[name, value] : r.scalars) {
    if (terminal && ++shown > 2)
      break;
    std::snprintf(text, sizeof(text), "  %.40s %.4g", name.c_str(), value);
    result += text;
  }
  std::snprintf(text, sizeof(text), "  norm %.4g  lr %.3g  %s tokens/s", r.gradNorm, r.lr,
                shortNumber(r.seconds > 0 ? r.tokens / r.seconds : 0).c_str());
  result += text;
  if (r.epoch > 0)
    result += "  pass " + std::to_string(r.epoch + 1);
  uint64_t done = r.step - firstStep + 1, left = r.steps - r.step - 1;
  if (left)
    result += "  " + clockTime((nowNs() - begin) * 1e-9 / done * left) + " left";
  return result;
}

void ProgressLine::step(const StepRecord &r) {
  if (r.skipped)
    warn("step " + std::to_string(r.step) +
         " of the log: NaN or infinity in loss or gradients; skipped, weights unchanged");
  if (quiet)
    return;
  if (firstStep == UINT64_MAX) {
    firstStep = r.step;
    begin = nowNs() - static_cast<uint64_t>(r.seconds * 1e9);
  }
  if (r.startsOver && !saidStartsOver) {
    say("data: at their end, starting over");
    saidStartsOver = true;
  }
  if (!r.skipped) {
    constexpr size_t kWidth = 24;
    if (inSpan == 0 && curve.size() == kWidth) {
      for (size_t i = 0; i < kWidth / 2; ++i)
        curve[i] = (curve[2 * i] + curve[2 * i + 1]) / 2;
      curve.resize(kWidth / 2);
      span *= 2;
    }
    if (inSpan == 0)
      curve.push_back(r.loss);
    else
      curve.back() += (r.loss - curve.back()) / (inSpan + 1);
    inSpan = (inSpan + 1) % span;
  }
  uint64_t now = nowNs(), pause = terminal ? 50'000'000 : 1'000'000'000;
  bool last = r.step + 1 == r.steps, few = !terminal && r.steps <= 100;
  if (!last && !few && lastPrint && now - lastPrint < pause)
    return;
  lastPrint = now;
  clear();
  std::fputs(line(r).c_str(), out);
  if (terminal)
    drawn = true;
  else
    std::fputc('\n', out);
  std::fflush(out);
}

} // namespace bigmac::rt
