//===- ArenaContents.cpp - What the bytes of an arena hold -----------------===//

#include "ArenaContents.h"

using namespace bigmac::rt;

std::pair<ArenaContents::Map::iterator, ArenaContents::Map::iterator>
ArenaContents::overlapping(uint64_t begin, uint64_t end) {
  auto first = pieces.upper_bound(begin);
  if (first != pieces.begin() && std::prev(first)->second.end > begin)
    --first;
  return {first, pieces.lower_bound(end)};
}

Content *ArenaContents::exactly(uint64_t begin, uint64_t end) {
  auto it = pieces.find(begin);
  return it != pieces.end() && it->second.end == end ? &it->second.content : nullptr;
}

Content &ArenaContents::write(uint64_t begin, uint64_t end, Content content) {
  auto [first, last] = overlapping(begin, end);
  pieces.erase(first, last);
  return pieces.emplace(begin, Piece{end, content}).first->second.content;
}
