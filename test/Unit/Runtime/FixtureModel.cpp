#include "FixtureModel.h"

#include "bigmac-rt/kernels.h"

#include <cmath>
#include <cstring>

namespace bigmac::fixture {

using namespace bigmac::rt;

void (*onForward)() = nullptr;

namespace {

constexpr int64_t kN = kWidth, kB = kSamples;
constexpr uint64_t kRow = kB * kN * 4, kMatrix = kN * kN * 4, kVector = kN * 4;

float *f(void *const *args, int i) { return static_cast<float *>(args[i]); }

// embed(x, E, h): h = x E^T
void embed(void *const *a) {
  bm_sgemm(0, 1, kB, kN, kN, 1, f(a, 0), kN, 0, f(a, 1), kN, 0, 0, f(a, 2), kN, 0, 1);
}

// forward(in, W, b, s, out): out = (in W^T + b) * s
void forward(void *const *a) {
  if (onForward)
    onForward();
  bm_sgemm(0, 1, kB, kN, kN, 1, f(a, 0), kN, 0, f(a, 1), kN, 0, 0, f(a, 4), kN, 0, 1);
  for (int64_t i = 0; i < kB * kN; ++i)
    f(a, 4)[i] = (f(a, 4)[i] + f(a, 2)[i % kN]) * f(a, 3)[i % kN];
}

// head(h, E, o, t, w, loss, error, tokens, dh, dE): loss, and the gradients times the weight
void head(void *const *a) {
  float out[kB * kN], grad[kB * kN];
  bm_sgemm(0, 0, kB, kN, kN, 1, f(a, 0), kN, 0, f(a, 1), kN, 0, 0, out, kN, 0, 1);
  double loss = 0, error = 0;
  float weight = 0;
  for (int64_t i = 0; i < kB; ++i)
    weight += f(a, 4)[i];
  for (int64_t i = 0; i < kB * kN; ++i) {
    float d = out[i] + f(a, 2)[i % kN] - f(a, 3)[i];
    loss += double(d) * d;
    error += std::fabs(d);
    grad[i] = weight * 2 * d / (kB * kN);
  }
  *f(a, 5) = loss / (kB * kN);
  *f(a, 6) = error / (kB * kN);
  *f(a, 7) = weight;
  bm_sgemm(0, 1, kB, kN, kN, 1, grad, kN, 0, f(a, 1), kN, 0, 0, f(a, 8), kN, 0, 1);
  bm_sgemm(1, 0, kN, kN, kB, 1, f(a, 0), kN, 0, grad, kN, 0, 1, f(a, 9), kN, 0, 1);
}

// backward(in, W, b, s, dout, din, dW, db, ds)
void backward(void *const *a) {
  float z[kB * kN], dz[kB * kN];
  bm_sgemm(0, 1, kB, kN, kN, 1, f(a, 0), kN, 0, f(a, 1), kN, 0, 0, z, kN, 0, 1);
  for (int64_t i = 0; i < kB * kN; ++i) {
    f(a, 8)[i % kN] += f(a, 4)[i] * (z[i] + f(a, 2)[i % kN]);
    dz[i] = f(a, 4)[i] * f(a, 3)[i % kN];
    f(a, 7)[i % kN] += dz[i];
  }
  bm_sgemm(1, 0, kN, kN, kB, 1, dz, kN, 0, f(a, 0), kN, 0, 1, f(a, 6), kN, 0, 1);
  bm_sgemm(0, 0, kB, kN, kN, 1, dz, kN, 0, f(a, 1), kN, 0, 0, f(a, 5), kN, 0, 1);
}

// embedGradient(x, dh, dE): dE += dh^T x
void embedGradient(void *const *a) {
  bm_sgemm(1, 0, kN, kN, kB, 1, f(a, 1), kN, 0, f(a, 0), kN, 0, 1, f(a, 2), kN, 0, 1);
}

enum Task : uint32_t { Embed, Forward, Head, Backward, EmbedGradient };

/// One rank's arena, filled from the start.
struct Arena {
  uint64_t used = 0;
  uint64_t take(uint64_t bytes) {
    uint64_t at = used;
    used = (used + bytes + BM_REGION_ALIGN - 1) / BM_REGION_ALIGN * BM_REGION_ALIGN;
    return at;
  }
};

bm_member takeTrained(Arena &arena, uint32_t rank, uint64_t bytes, uint64_t shard) {
  uint64_t param = arena.take(bytes), grad = arena.take(bytes), m = arena.take(shard);
  return PlanWriter::trainedMember(rank, param, grad, m, arena.take(shard));
}

/// Writes one rank's list: all forwards, then all backwards.
class RankBuilder {
public:
  RankBuilder(PlanWriter &plan, Arena arena, const Shape &shape, uint32_t r)
      : out(plan.rank(r)), arena(arena), shape(shape), r(r), first(r == 0),
        last(r + 1 == shape.ranks) {}

  bm_member stage, scale, tied; // tied: first and last only
  uint64_t stageBytes, scaleBytes, tiedBytes, offsetParam;

  void build() {
    uint32_t count = shape.microbatches;
    uint64_t from = arena.used;
    x = arena.take(count * kRow);
    in = arena.take(count * kRow);
    grads = arena.take(count * kRow);
    buffers = arena.take(4 * kRow); // two for arriving activations, two for arriving gradients
    h = arena.take(kRow);
    target = arena.take(kRow);
    weight = arena.take(64);
    ids = arena.take(kB * 4 * 8);
    scalars = arena.take(64);
    outs = arena.take(count * kRow);
    dins = arena.take(count * kRow);
    uint64_t scratch = 4096ull * shape.ranks * shape.replicas;
    arena.used = std::max(arena.used, from + scratch);
    out.setScratch(from, scratch); // over everything that is dead at the end of the step
    out.setArena(arena.used);
    if (shape.offload)
      out.setHost(count * kRow);
    out.setMemory(BM_MEM_LLM, 3 * count * kRow);

    out.zero(stage.grad_offset, stageBytes);
    out.zero(scale.grad_offset, scaleBytes);
    if (first || last)
      out.zero(tied.grad_offset, tiedBytes);
    for (uint32_t m = 0; m < 2 && m < count; ++m)
      postForward(m), postBackward(m);
    for (uint32_t m = 0; m < count; ++m)
      forwards(m);
    if (shape.offload)
      finishOffload(count - 1), fetch(0);
    for (uint32_t m = 0; m < count; ++m)
      backwards(m);
    for (uint32_t slot : sends)
      out.wait(slot);
  }

private:
  ActionLabel label(bm_phase phase, uint32_t m) const {
    return {BM_LLM, phase, 0, static_cast<int32_t>(m), -1};
  }
  // Slots: arriving activations 0-1, arriving gradients 2-3, departures after those.
  void postForward(uint32_t m) {
    if (!first)
      out.recv(r - 1, 0, buffers + m % 2 * kRow, kRow, m % 2, label(BM_FORWARD, m));
  }
  void postBackward(uint32_t m) {
    if (!last)
      out.recv(r + 1, 1, buffers + (2 + m % 2) * kRow, kRow, 2 + m % 2, label(BM_BACKWARD, m));
  }
  void depart(uint32_t peer, uint32_t tag, uint64_t offset, const ActionLabel &why) {
    sends.push_back(4 + sends.size());
    out.send(peer, tag, offset, kRow, sends.back(), why);
  }

  // Stages' inputs leave while the next microbatch's forward runs, and come back while the backward
  // before theirs does. What they leave behind is overwritten.
  uint32_t copySlot(uint32_t m) const { return 4 + 2 * shape.microbatches + m; }
  void finishOffload(uint32_t m) {
    out.wait(copySlot(m), label(BM_FORWARD, m));
    out.zero(in + m * kRow, kRow);
  }
  void fetch(uint32_t m) { out.fetch(m * kRow, in + m * kRow, kRow, copySlot(m)); }

  void forwards(uint32_t m) {
    ActionLabel why = label(BM_FORWARD, m);
    uint64_t mine = in + m * kRow, result = outs + m * kRow;
    if (first) {
      out.loadInput(0, m, x + m * kRow, why);
      out.loadInput(3, m, ids, why);
      out.run(Embed, {x + m * kRow, tied.param_offset, mine}, why);
    } else {
      out.wait(m % 2, why);
      out.copy(mine, buffers + m % 2 * kRow, kRow, why);
      if (m + 2 < shape.microbatches)
        postForward(m + 2);
    }
    out.run(Forward,
            {mine, stage.param_offset, stage.param_offset + kMatrix, scale.param_offset, result},
            why);
    if (shape.offload) {
      out.offload(mine, m * kRow, kRow, copySlot(m));
      if (m > 0)
        finishOffload(m - 1);
    }
    if (!last) {
      depart(r + 1, 0, result, why);
      return;
    }
    out.loadInput(1, m, target, why);
    if (!shape.unwritten)
      out.loadInput(2, m, weight, why);
    out.run(Head,
            {result, tied.param_offset, offsetParam, target, weight, scalars, scalars + 4,
             scalars + 8, grads + m * kRow, tied.grad_offset},
            why);
    out.record(0, m, scalars, why);
    out.record(1, m, scalars + 4, why);
    out.record(2, m, scalars + 8, why);
  }

  void backwards(uint32_t m) {
    ActionLabel why = label(BM_BACKWARD, m);
    uint64_t grad = grads + m * kRow, result = dins + m * kRow;
    if (!last) {
      out.wait(2 + m % 2, why);
      out.copy(grad, buffers + (2 + m % 2) * kRow, kRow, why);
      if (m + 2 < shape.microbatches)
        postBackward(m + 2);
    }
    if (shape.offload) {
      if (m + 1 < shape.microbatches)
        fetch(m + 1);
      out.wait(copySlot(m), why);
    }
    out.run(Backward,
            {in + m * kRow, stage.param_offset, stage.param_offset + kMatrix, scale.param_offset,
             grad, result, stage.grad_offset, stage.grad_offset + kMatrix, scale.grad_offset},
            why);
    if (first)
      out.run(EmbedGradient, {x + m * kRow, result, tied.grad_offset}, why);
    else
      depart(r - 1, 1, result, why);
  }

  RankWriter &out;
  Arena arena;
  Shape shape;
  uint32_t r;
  bool first, last;
  uint64_t x, in, grads, buffers, h, target, weight, ids, scalars, outs, dins;
  std::vector<uint32_t> sends;
};

} // namespace

const bm_task_fn kTasks[] = {embed, forward, head, backward, embedGradient};
const uint64_t kTaskCount = 5;

std::vector<unsigned char> buildPlan(const Shape &shape, const std::string &weightsFile,
                                     uint64_t weightsSize, uint64_t weightsHeaderHash,
                                     std::string &error) {
  uint32_t P = shape.ranks, D = shape.replicas;
  PlanWriter plan(P, D, shape.microbatches, kSamples);
  plan.setModel("fixture", 42);
  plan.setTarget(shape.target);
  plan.setCompiler("a test", "by hand");
  plan.setWeights(weightsFile, weightsSize, weightsHeaderHash);
  plan.addInput("x", BM_F32, {kB, kN});
  plan.addInput("target", BM_F32, {kB, kN});
  plan.addInput("weight", BM_F32, {kB});
  plan.addInput("ids", BM_I64, {kB, 4}, 0, 9);
  plan.addScalar("loss", BM_SCALAR_LOSS);
  plan.addScalar("abs_error");
  plan.addScalar("tokens", shape.weighted ? BM_SCALAR_WEIGHT : 0);
  plan.addTask("embed", {kRow, kMatrix, kRow}, BM_LLM, BM_FORWARD, 0);
  plan.addTask("forward", {kRow, kMatrix, kVector, kVector, kRow}, BM_LLM, BM_FORWARD, 0);
  plan.addTask("head", {kRow, kMatrix, kVector, kRow, kB * 4, 4, 4, 4, kRow, kMatrix}, BM_LLM,
               BM_FORWARD, P - 1);
  plan.addTask("backward", {kRow, kMatrix, kVector, kVector, kRow, kRow, kMatrix, kVector, kVector},
               BM_LLM, BM_BACKWARD, 0);
  plan.addTask("embed_gradient", {kRow, kRow, kMatrix}, BM_LLM, BM_BACKWARD, 0);

  std::vector<Arena> arenas(P);
  std::vector<RankBuilder> builders;
  uint32_t ends = P > 1 ? 2 : 1;
  uint64_t stageBytes = paddedClassBytes(kMatrix + kVector, 1, D);
  uint64_t tiedBytes = paddedClassBytes(kMatrix, ends, D);
  uint64_t scaleBytes = paddedClassBytes(kVector, P, D);
  std::vector<bm_member> stages(P), scales(P), tieds(P), frozen(P);
  for (uint32_t r = 0; r < P; ++r) {
    stages[r] = takeTrained(arenas[r], r, stageBytes, shardBytes(stageBytes, 1, D));
    scales[r] = takeTrained(arenas[r], r, scaleBytes, shardBytes(scaleBytes, P, D));
    if (r == 0 || r + 1 == P)
      tieds[r] = takeTrained(arenas[r], r, tiedBytes, shardBytes(tiedBytes, ends, D));
    frozen[r] = PlanWriter::frozenMember(r, arenas[r].take(64));
  }
  for (uint32_t r = 0; r < P; ++r) {
    uint32_t c = plan.addClass(BM_CLASS_TRAINED, stageBytes, {stages[r]});
    std::string name = "stages." + std::to_string(r);
    plan.addParameter(name + ".weight", BM_F32, {kN, kN}, c, 0);
    plan.addParameter(name + ".bias", BM_F32, {kN}, c, kMatrix);
  }
  uint32_t shared = plan.addClass(BM_CLASS_TRAINED, scaleBytes, scales);
  plan.addParameter("scale", BM_F32, {kN}, shared, 0);
  std::vector<bm_member> both = {tieds[0]};
  if (P > 1)
    both.push_back(tieds[P - 1]);
  uint32_t tied = plan.addClass(BM_CLASS_TRAINED, tiedBytes, both);
  plan.addParameter("embed.weight", BM_F32, {kN, kN}, tied, 0);
  uint32_t fixed = plan.addClass(BM_CLASS_FROZEN, 64, frozen);
  plan.addParameter("offset", BM_F32, {kN}, fixed, 0);
  plan.addParameter("table", BM_I64, {3}, fixed, 32);

  for (uint32_t r = 0; r < P; ++r) {
    RankBuilder builder(plan, arenas[r], shape, r);
    builder.stage = stages[r];
    builder.scale = scales[r];
    builder.tied = tieds[r];
    builder.stageBytes = stageBytes;
    builder.scaleBytes = scaleBytes;
    builder.tiedBytes = tiedBytes;
    builder.offsetParam = frozen[r].param_offset;
    builder.build();
  }
  auto image = plan.finish(error);
  return image ? *image : std::vector<unsigned char>();
}

} // namespace bigmac::fixture
