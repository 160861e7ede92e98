//===- Page.cpp - The report as one HTML file -----------------------------===//

#include "bigmac/Report/Page.h"
#include "Encoding.h"
#include "PageSources.h"

namespace bigmac::report {

using namespace planning;

namespace {

std::string escapeHtml(std::string_view text) {
  std::string escaped;
  for (char c : text) {
    switch (c) {
    case '&':
      escaped += "&amp;";
      break;
    case '<':
      escaped += "&lt;";
      break;
    case '>':
      escaped += "&gt;";
      break;
    case '"':
      escaped += "&quot;";
      break;
    case '\'':
      escaped += "&#39;";
      break;
    default:
      escaped += c;
    }
  }
  return escaped;
}

/// JSON that cannot end the script element it is in.
std::string scriptJson(const nlohmann::ordered_json &value) {
  std::string text = value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace),
              escaped;
  for (char c : text) {
    if (c == '<')
      escaped += "\\u003c";
    else
      escaped += c;
  }
  return escaped;
}

/// The page's template with each {{name}} replaced; what is put in is not searched again.
std::string fill(std::string_view page,
                 std::initializer_list<std::pair<std::string_view, const std::string *>> values) {
  std::string text;
  while (true) {
    size_t begin = page.find("{{");
    text += page.substr(0, begin);
    if (begin == std::string_view::npos)
      return text;
    size_t end = page.find("}}", begin);
    std::string_view name = page.substr(begin + 2, end - begin - 2);
    for (const auto &[key, value] : values)
      if (key == name)
        text += *value;
    page.remove_prefix(end + 2);
  }
}

} // namespace

Result<std::string> renderPage(const std::string &title, std::span<const Content> schedules) {
  if (schedules.empty())
    return Error{"a report needs a schedule"};
  uint64_t actions = 0;
  for (const Content &content : schedules)
    actions += content.schedule->actionCount();
  if (actions > maxPageActions)
    return Error{"a page shows at most " + std::to_string(maxPageActions) + " actions, found " +
                 std::to_string(actions) +
                 "; use fewer microbatches (the pattern repeats) or fewer schedules"};

  nlohmann::ordered_json meta;
  meta["title"] = title;
  std::string data;
  for (const Content &content : schedules) {
    Result<Encoded> encoded = encode(content);
    if (!encoded)
      return encoded.error();
    meta["schedules"].push_back(std::move(encoded->meta));
    data += "<script type=\"text/plain\" class=\"columns\">" + encoded->data + "</script>\n";
  }
  std::string escapedTitle = escapeHtml(title), metaText = scriptJson(meta), style(pageStyle()),
              script(pageScript());
  return fill(pageTemplate(), {{"title", &escapedTitle},
                               {"style", &style},
                               {"meta", &metaText},
                               {"data", &data},
                               {"script", &script}});
}

} // namespace bigmac::report
