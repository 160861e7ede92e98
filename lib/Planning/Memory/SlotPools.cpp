//===- SlotPools.cpp - Slots for what lives long --------------------------===//

#include "SlotPools.h"
#include "Packing.h"

#include <algorithm>
#include <numeric>
#include <queue>
#include <tuple>

namespace bigmac::planning {

namespace {

/// Shapes that are tried with one another, the largest: a rank has a few for each of its stages.
constexpr size_t mostClustered = 24;

uint64_t bytesOf(const std::vector<uint64_t> &shape) {
  return std::accumulate(shape.begin(), shape.end(), uint64_t(0));
}

/// What two shapes have in common.
std::vector<uint64_t> common(const std::vector<uint64_t> &a, const std::vector<uint64_t> &b) {
  std::vector<uint64_t> both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both),
                        std::greater<>());
  return both;
}

/// The most intervals that overlap.
size_t mostAtOnce(std::vector<std::pair<uint64_t, uint64_t>> &lives) {
  std::vector<uint64_t> births, deaths;
  for (auto [lower, upper] : lives) {
    births.push_back(lower);
    deaths.push_back(upper);
  }
  std::sort(births.begin(), births.end());
  std::sort(deaths.begin(), deaths.end());
  size_t most = 0, dead = 0;
  for (size_t born = 0; born < births.size(); ++born) {
    while (deaths[dead] <= births[born])
      ++dead;
    most = std::max(most, born + 1 - dead);
  }
  return most;
}

} // namespace

SlotPools::SlotPools(std::span<const Buffer> buffers, const std::vector<size_t> &longLived,
                     bool bundled)
    : buffers(buffers) {
  for (const Buffer &buffer : buffers) {
    if (buffer.size > 0 && buffer.lower < buffer.upper)
      alignment = std::max(alignment, buffer.alignment);
    times.push_back(buffer.lower);
    times.push_back(buffer.upper);
  }
  std::sort(times.begin(), times.end());
  times.erase(std::unique(times.begin(), times.end()), times.end());
  findBundles(longLived, bundled);
  clusterShapes();
  makePools();
}

uint64_t SlotPools::rounded(size_t buffer) const {
  return alignUp(buffers[buffer].size, alignment);
}

size_t SlotPools::instantOf(uint64_t time) const {
  return std::lower_bound(times.begin(), times.end(), time) - times.begin();
}

void SlotPools::findBundles(const std::vector<size_t> &longLived, bool bundled) {
  std::vector<size_t> order = longLived;
  auto key = [&](size_t i) {
    return std::make_tuple(buffers[i].lower, buffers[i].upper, ~rounded(i), i);
  };
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return key(a) < key(b); });
  for (size_t begin = 0, end; begin < order.size(); begin = end) {
    Bundle bundle{buffers[order[begin]].lower, buffers[order[begin]].upper, {}};
    Shape shape;
    for (end = begin; end < order.size() && buffers[order[end]].lower == bundle.lower &&
                      buffers[order[end]].upper == bundle.upper && (bundled || end == begin);
         ++end) {
      bundle.buffers.push_back(order[end]);
      shape.push_back(rounded(order[end]));
    }
    bundles[shape].push_back(std::move(bundle));
  }
  for (const auto &[shape, instances] : bundles)
    shapes.push_back(shape);
  std::sort(shapes.begin(), shapes.end(), [](const Shape &a, const Shape &b) {
    return std::pair(bytesOf(a), a) > std::pair(bytesOf(b), b);
  });
}

/// The bytes of the pools that clusters and the pools by size for the rest come to.
uint64_t SlotPools::cost(const std::vector<Cluster> &of) const {
  std::map<uint64_t, std::vector<std::pair<uint64_t, uint64_t>>> bySize;
  for (const Cluster &cluster : of)
    for (size_t s : cluster.shapes) {
      Shape rest;
      std::set_difference(shapes[s].begin(), shapes[s].end(), cluster.core.begin(),
                          cluster.core.end(), std::back_inserter(rest), std::greater<>());
      uint64_t core = bytesOf(cluster.core);
      for (const Bundle &bundle : bundles.at(shapes[s])) {
        if (core > 0)
          bySize[core].emplace_back(bundle.lower, bundle.upper);
        for (uint64_t size : rest)
          bySize[size].emplace_back(bundle.lower, bundle.upper);
      }
    }
  uint64_t total = 0;
  for (auto &[size, lives] : bySize)
    total += size * mostAtOnce(lives);
  return total;
}

/// Joins the two clusters that save the most, as long as any do.
void SlotPools::clusterShapes() {
  for (size_t s = 0; s < shapes.size(); ++s)
    clusters.push_back({shapes[s], {s}});
  const size_t tried = std::min(clusters.size(), mostClustered);
  std::vector<Cluster> small(clusters.begin() + tried, clusters.end());
  clusters.resize(tried);
  uint64_t current = cost(clusters);
  while (clusters.size() > 1) {
    std::vector<Cluster> best;
    uint64_t least = current;
    for (size_t a = 0; a < clusters.size(); ++a)
      for (size_t b = a + 1; b < clusters.size(); ++b) {
        Shape core = common(clusters[a].core, clusters[b].core);
        // A slot that holds little of a bundle leaves most of it in pieces.
        if (2 * bytesOf(core) < std::max(bytesOf(clusters[a].core), bytesOf(clusters[b].core)))
          continue;
        std::vector<Cluster> joined = clusters;
        joined[a].core = std::move(core);
        joined[a].shapes.insert(joined[a].shapes.end(), joined[b].shapes.begin(),
                                joined[b].shapes.end());
        joined.erase(joined.begin() + b);
        uint64_t bytes = cost(joined);
        if (bytes < least) {
          least = bytes;
          best = std::move(joined);
        }
      }
    if (best.empty())
      break;
    clusters = std::move(best);
    current = least;
  }
  clusters.insert(clusters.end(), small.begin(), small.end());
}

void SlotPools::addTenant(uint64_t size, Tenant tenant) {
  Pool &pool = pools[size];
  pool.size = size;
  if (pool.taken.empty())
    pool.taken.assign(times.size(), 0);
  for (size_t t = instantOf(tenant.lower); times[t] < tenant.upper; ++t)
    pool.slots = std::max<size_t>(pool.slots, ++pool.taken[t]);
  pool.tenants.push_back(std::move(tenant));
}

void SlotPools::makePools() {
  for (const Cluster &cluster : clusters)
    for (size_t s : cluster.shapes)
      for (const Bundle &bundle : bundles.at(shapes[s])) {
        Tenant core{bundle.lower, bundle.upper, {}, 0};
        uint64_t place = 0;
        for (size_t i = 0, c = 0; i < bundle.buffers.size(); ++i) {
          uint64_t size = shapes[s][i];
          // Both go from large to small.
          if (c < cluster.core.size() && cluster.core[c] == size) {
            core.parts.emplace_back(bundle.buffers[i], place);
            place += size;
            ++c;
          } else {
            addTenant(size, {bundle.lower, bundle.upper, {{bundle.buffers[i], 0}}, 0});
          }
        }
        if (place > 0)
          addTenant(place, std::move(core));
      }
}

std::vector<size_t> SlotPools::lend(std::vector<size_t> brief) {
  std::sort(brief.begin(), brief.end(), [&](size_t a, size_t b) {
    return std::make_tuple(~buffers[a].size, buffers[a].lower, a) <
           std::make_tuple(~buffers[b].size, buffers[b].lower, b);
  });
  // By the instant of their birth: slots that were lent, as (pool, tenant).
  std::vector<std::vector<std::pair<Pool *, size_t>>> lent(times.size());
  std::vector<size_t> rest;
  for (size_t i : brief) {
    const uint64_t size = rounded(i);
    const size_t begin = instantOf(buffers[i].lower), end = instantOf(buffers[i].upper);
    // Into what a larger one leaves of its slot while both live.
    bool placed = false;
    for (size_t back = 0; back <= begin && back < 2 && !placed; ++back)
      for (auto [pool, index] : lent[begin - back]) {
        Tenant &tenant = pool->tenants[index];
        if (tenant.upper < buffers[i].upper || pool->size - tenant.used < size)
          continue;
        tenant.parts.emplace_back(i, tenant.used);
        tenant.used += size;
        placed = true;
        break;
      }
    for (auto it = pools.lower_bound(size); it != pools.end() && !placed; ++it) {
      Pool &pool = it->second;
      bool idle = true;
      for (size_t t = begin; t < end && idle; ++t)
        idle = pool.taken[t] < pool.slots;
      if (!idle)
        continue;
      for (size_t t = begin; t < end; ++t)
        ++pool.taken[t];
      lent[begin].emplace_back(&pool, pool.tenants.size());
      pool.tenants.push_back({buffers[i].lower, buffers[i].upper, {{i, 0}}, size});
      placed = true;
    }
    if (!placed)
      rest.push_back(i);
  }
  return rest;
}

uint64_t SlotPools::assign(std::vector<uint64_t> &offsets) const {
  uint64_t base = 0;
  for (const auto &[size, pool] : pools) {
    std::vector<size_t> order(pool.tenants.size());
    std::iota(order.begin(), order.end(), size_t(0));
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return std::pair(pool.tenants[a].lower, a) < std::pair(pool.tenants[b].lower, b);
    });
    // (when it is free, slot): never more slots than are taken at once.
    std::priority_queue<std::pair<uint64_t, size_t>, std::vector<std::pair<uint64_t, size_t>>,
                        std::greater<>>
        free;
    for (size_t slot = 0; slot < pool.slots; ++slot)
      free.push({0, slot});
    for (size_t t : order) {
      const Tenant &tenant = pool.tenants[t];
      size_t slot = free.top().second;
      free.pop();
      free.push({tenant.upper, slot});
      for (auto [buffer, place] : tenant.parts)
        offsets[buffer] = base + slot * size + place;
    }
    base += pool.slots * size;
  }
  return base;
}

} // namespace bigmac::planning
