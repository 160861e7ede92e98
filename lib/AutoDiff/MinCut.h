//===- MinCut.h - Minimum vertex cut of a small graph -----------*- C++ -*-===//

#ifndef BIGMAC_LIB_AUTODIFF_MINCUT_H
#define BIGMAC_LIB_AUTODIFF_MINCUT_H

#include <cstdint>
#include <vector>

namespace bigmac {

/// A directed graph in which every vertex has a capacity; finds the cheapest set of vertices that
/// separates all sources from all sinks (a source or sink may be in the set itself). A source may
/// have a price for which it need not be separated. Dinic's algorithm on the split graph.
class VertexCut {
public:
  static constexpr uint64_t kUnlimited = UINT64_MAX / 4;

  /// Returns the vertex's index.
  unsigned addVertex(uint64_t capacity);
  void addEdge(unsigned from, unsigned to);
  void addSource(unsigned vertex, uint64_t price = kUnlimited);
  void addSink(unsigned vertex);

  /// The cut's vertices, ascending. Of several minimum cuts the one nearest to the sinks.
  std::vector<unsigned> solve();

private:
  struct Edge {
    unsigned to;
    uint64_t capacity;
  };
  void connect(unsigned from, unsigned to, uint64_t capacity);
  bool layer();
  uint64_t push(unsigned node, uint64_t limit);

  /// Node 0 is the source, 1 the sink; vertex v is nodes 2 + 2v (in) and 3 + 2v (out).
  std::vector<std::vector<unsigned>> adjacent{2};
  std::vector<Edge> edges;
  std::vector<int> level;
  std::vector<unsigned> next;
};

} // namespace bigmac

#endif // BIGMAC_LIB_AUTODIFF_MINCUT_H
