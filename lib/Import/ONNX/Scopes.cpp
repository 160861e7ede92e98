//===- Scopes.cpp - Which module a node comes from -------------------------===//

#include "Scopes.h"

#include <algorithm>
#include <vector>

using namespace bigmac::onnx;

/// The strings of a Python list literal like `['', 'a', "b"]`; empty where it is not one.
static std::vector<std::string> parsePythonList(const std::string &text) {
  std::vector<std::string> items;
  size_t i = 0;
  auto skipSpace = [&] { i = std::min(text.find_first_not_of(" \t\n", i), text.size()); };
  skipSpace();
  if (i == text.size() || text[i++] != '[')
    return {};
  while (true) {
    skipSpace();
    if (i < text.size() && text[i] == ']')
      return items;
    if (i == text.size() || (text[i] != '\'' && text[i] != '"'))
      return {};
    char quote = text[i++];
    std::string item;
    while (i < text.size() && text[i] != quote) {
      if (text[i] == '\\' && i + 1 < text.size())
        ++i;
      item.push_back(text[i++]);
    }
    if (i == text.size())
      return {};
    ++i;
    items.push_back(item);
    skipSpace();
    if (i < text.size() && text[i] == ',')
      ++i;
  }
}

/// The second to last `path: class` pair's path.
static std::string parseNamespace(const std::string &text) {
  size_t last = text.rfind('/');
  if (last == std::string::npos || last == 0)
    return "";
  size_t start = text.rfind('/', last - 1);
  start = start == std::string::npos ? 0 : start + 1;
  std::string pair = text.substr(start, last - start);
  return pair.substr(0, pair.find(':'));
}

std::string bigmac::onnx::scopeOfNode(const std::map<std::string, std::string> &metadata,
                                      const std::string &nodeName) {
  if (auto it = metadata.find("pkg.torch.onnx.name_scopes"); it != metadata.end()) {
    std::vector<std::string> scopes = parsePythonList(it->second);
    if (scopes.size() >= 2)
      return scopes[scopes.size() - 2];
  }
  if (auto it = metadata.find("namespace"); it != metadata.end()) {
    std::string scope = parseNamespace(it->second);
    if (!scope.empty())
      return scope;
  }
  size_t last = nodeName.rfind('/');
  if (nodeName.empty() || nodeName[0] != '/' || last == 0)
    return "";
  std::string scope = nodeName.substr(1, last - 1);
  std::replace(scope.begin(), scope.end(), '/', '.');
  return scope;
}
