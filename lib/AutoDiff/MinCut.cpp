//===- MinCut.cpp - Minimum vertex cut of a small graph --------------------===//

#include "MinCut.h"

#include <algorithm>

using namespace bigmac;

void VertexCut::connect(unsigned from, unsigned to, uint64_t capacity) {
  adjacent[from].push_back(edges.size());
  edges.push_back({to, capacity});
  adjacent[to].push_back(edges.size());
  edges.push_back({from, 0});
}

unsigned VertexCut::addVertex(uint64_t capacity) {
  unsigned vertex = (adjacent.size() - 2) / 2;
  adjacent.resize(adjacent.size() + 2);
  connect(2 + 2 * vertex, 3 + 2 * vertex, capacity);
  return vertex;
}

void VertexCut::addEdge(unsigned from, unsigned to) {
  connect(3 + 2 * from, 2 + 2 * to, kUnlimited);
}
void VertexCut::addSource(unsigned vertex, uint64_t price) { connect(0, 2 + 2 * vertex, price); }
void VertexCut::addSink(unsigned vertex) { connect(3 + 2 * vertex, 1, kUnlimited); }

bool VertexCut::layer() {
  level.assign(adjacent.size(), -1);
  std::vector<unsigned> queue{0};
  level[0] = 0;
  for (size_t i = 0; i < queue.size(); ++i)
    for (unsigned e : adjacent[queue[i]])
      if (edges[e].capacity && level[edges[e].to] < 0) {
        level[edges[e].to] = level[queue[i]] + 1;
        queue.push_back(edges[e].to);
      }
  return level[1] >= 0;
}

uint64_t VertexCut::push(unsigned node, uint64_t limit) {
  // Iterative depth-first search: graphs of long chains must not exhaust the stack.
  std::vector<unsigned> path;
  unsigned current = node;
  while (current != 1) {
    bool advanced = false;
    for (unsigned &i = next[current]; i < adjacent[current].size(); ++i) {
      Edge &edge = edges[adjacent[current][i]];
      if (edge.capacity && level[edge.to] == level[current] + 1) {
        path.push_back(adjacent[current][i]);
        current = edge.to;
        advanced = true;
        break;
      }
    }
    if (advanced)
      continue;
    if (path.empty())
      return 0;
    level[current] = -1;
    current = edges[path.back() ^ 1].to;
    path.pop_back();
  }
  for (unsigned e : path)
    limit = std::min(limit, edges[e].capacity);
  for (unsigned e : path) {
    edges[e].capacity -= limit;
    edges[e ^ 1].capacity += limit;
  }
  return limit;
}

std::vector<unsigned> VertexCut::solve() {
  while (layer()) {
    next.assign(adjacent.size(), 0);
    while (push(0, kUnlimited))
      ;
  }
  // Nodes from which the sink can still be reached; the cut is where they begin.
  std::vector<bool> reaches(adjacent.size());
  std::vector<unsigned> queue{1};
  reaches[1] = true;
  for (size_t i = 0; i < queue.size(); ++i)
    for (unsigned e : adjacent[queue[i]]) {
      unsigned from = edges[e].to;
      if (edges[e ^ 1].capacity && !reaches[from]) {
        reaches[from] = true;
        queue.push_back(from);
      }
    }
  std::vector<unsigned> cut;
  for (unsigned vertex = 0; 2 + 2 * vertex < adjacent.size(); ++vertex)
    if (reaches[3 + 2 * vertex] && !reaches[2 + 2 * vertex])
      cut.push_back(vertex);
  return cut;
}
