//===- RankCheck.cpp - One rank's instructions, step by step ---------------===//

#include "RankCheck.h"

#include "bigmac/Support/ByteSize.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::rt;

std::string RankCheck::text(const Content &content) const {
  switch (content.kind) {
  case Content::Input:
    return "input '" + content.input.str() + "' of microbatch " +
           std::to_string(content.microbatch);
  case Content::Value:
  case Content::Incoming:
    return index.value(content.value, content.microbatch);
  case Content::Scratch:
    return "a workspace";
  }
  llvm_unreachable("unknown content");
}

LogicalResult RankCheck::inArena(Operation *op, uint64_t begin, uint64_t bytes) {
  uint64_t size = rank.getArena();
  if (begin <= size && bytes <= size - begin)
    return success();
  return op->emitOpError("uses ") << bytes << " bytes at " << begin << ", outside the arena of "
                                  << size << " bytes";
}

LogicalResult RankCheck::isMicrobatch(Operation *op, int64_t microbatch) {
  if (microbatch >= 0 && microbatch < static_cast<int64_t>(program.getMicrobatches()))
    return success();
  return op->emitOpError("is of microbatch ")
         << microbatch << ", expected one below " << program.getMicrobatches();
}

LogicalResult RankCheck::isPeer(Operation *op, int64_t peer) {
  if (peer >= 0 && peer < static_cast<int64_t>(program.getRanks()) &&
      peer != static_cast<int64_t>(rank.getRank()))
    return success();
  return op->emitOpError("is with rank ")
         << peer << ", expected another of the " << program.getRanks() << " ranks";
}

LogicalResult RankCheck::write(Operation *op, uint64_t begin, uint64_t bytes, Content content) {
  if (failed(inArena(op, begin, bytes)))
    return failure();
  if (bytes == 0)
    return success();
  uint64_t end = begin + bytes;
  auto region = llvm::lower_bound(regions, Region{begin, 0, nullptr, nullptr});
  if (region != regions.begin() && std::prev(region)->end > begin)
    --region;
  if (region != regions.end() && region->begin < end)
    return op->emitOpError("writes at ")
           << begin << " into the " << region->what << " of class " << region->of.getId();
  auto [first, last] = arena.overlapping(begin, end);
  for (auto it = first; it != last; ++it) {
    const Content &old = it->second.content;
    const char *why =
        old.kind == Content::Incoming
            ? isa<FetchOp>(old.by) ? "is being fetched there" : "is being received there"
        : old.sends                               ? "is being sent from there"
        : old.copies                              ? "is being offloaded from there"
        : old.kind == Content::Input && !old.read ? "was loaded there and not used"
                                                  : nullptr;
    if (!why)
      continue;
    auto diagnostic = op->emitOpError("writes at ") << begin << ", but " << text(old) << " " << why;
    diagnostic.attachNote(old.by->getLoc()) << "since here";
    return diagnostic;
  }
  content.by = op;
  arena.write(begin, end, content);
  return success();
}

FailureOr<Content *> RankCheck::read(Operation *op, uint64_t begin, uint64_t bytes,
                                     const Content &expected) {
  if (failed(inArena(op, begin, bytes)))
    return failure();
  Content *found = arena.exactly(begin, begin + bytes);
  if (found && found->same(expected)) {
    found->read = true;
    return found;
  }
  auto diagnostic = op->emitOpError();
  if (auto run = dyn_cast<RunOp>(op))
    diagnostic << index.action(index.tasks.lookup(run.getCallee()), run.getMicrobatch()) << " ";
  diagnostic << "on rank " << rank.getRank() << " expects " << text(expected) << " at " << begin
             << ", bytes " << bytes << "; ";
  auto [first, last] = arena.overlapping(begin, begin + bytes);
  if (first == last) {
    diagnostic << "nothing was put there";
  } else {
    const Content &there = first->second.content;
    diagnostic << "there is " << text(there)
               << (there.kind == Content::Incoming ? ", still on its way" : "");
    diagnostic.attachNote(there.by->getLoc()) << "put there here";
  }
  return diagnostic;
}

LogicalResult RankCheck::check(LoadOp load) {
  Content content;
  content.kind = Content::Input;
  content.input = load.getName();
  content.microbatch = load.getMicrobatch();
  InputOp input = index.inputs.lookup(load.getName());
  if (failed(isMicrobatch(load, load.getMicrobatch())))
    return failure();
  return write(load, load.getOffset(), byteSize(input.getType()), content);
}

LogicalResult RankCheck::checkParameter(RunOp run, StringRef name, uint64_t offset, uint64_t bytes,
                                        bool gradient) {
  const ProgramIndex::Parameter &parameter = index.parameters.find(name)->second;
  ClassOp of = parameter.of;
  auto member = llvm::find(of.getMembers(), static_cast<int64_t>(rank.getRank()));
  if (member == of.getMembers().end())
    return run.emitOpError("uses parameter '")
           << name << "', which rank " << rank.getRank() << " does not hold";
  size_t position = member - of.getMembers().begin();
  uint64_t place = parameter.position, size = of.getBytes();
  if (gradient) {
    place = place / of.elementBytes() * of.gradientElementBytes();
    size = of.gradientBytes();
  }
  uint64_t expected = (gradient ? of.getGrads() : of.getParams())[position] + place;
  if (offset != expected || place > size || bytes > size - place)
    return run.emitOpError("takes the ")
           << (gradient ? "gradient" : "value") << " of parameter '" << name << "' at " << offset
           << ", bytes " << bytes << ", but its class has it at " << expected;
  if (gradient && !cleared.contains(of.getId()))
    return run.emitOpError("adds to the gradient of '") << name << "', which is not cleared before";
  return success();
}

LogicalResult RankCheck::check(RunOp run) {
  TaskOp task = index.tasks.lookup(run.getCallee());
  int64_t microbatch = run.getMicrobatch();
  ArrayRef<int64_t> offsets = run.getOffsets(), bytes = task.getBytes();
  if (failed(isMicrobatch(run, microbatch)))
    return failure();
  if (offsets.size() != bytes.size())
    return run.emitOpError("has ")
           << offsets.size() << " offsets, but its task takes " << bytes.size() << " buffers";
  auto [known, first] = done.runs.try_emplace({run.getCallee().str(), microbatch}, run);
  if (!first) {
    auto diagnostic = run.emitOpError("runs ") << index.action(task, microbatch) << " again";
    diagnostic.attachNote(known->second->getLoc()) << "first run here";
    return diagnostic;
  }

  // A task may not write what it reads, nor the same bytes twice.
  std::map<uint64_t, uint64_t> used;
  auto distinct = [&](uint64_t begin, uint64_t size) -> LogicalResult {
    if (size == 0)
      return success();
    auto next = used.lower_bound(begin);
    if ((next != used.end() && next->first < begin + size) ||
        (next != used.begin() && std::prev(next)->second > begin))
      return run.emitOpError("of ") << index.action(task, microbatch) << " writes a buffer at "
                                    << begin << " over another of its buffers";
    used[begin] = begin + size;
    return success();
  };
  size_t next = 0;
  for (Attribute attribute : task.getReads()) {
    Content expected;
    expected.microbatch = microbatch;
    if (auto name = dyn_cast<StringAttr>(attribute)) {
      expected.kind = Content::Input;
      expected.input = name.getValue();
    } else {
      expected.kind = Content::Value;
      expected.value = cast<IntegerAttr>(attribute).getInt();
    }
    uint64_t begin = offsets[next], size = bytes[next];
    if (failed(read(run, begin, size, expected)))
      return failure();
    // Two operands may be one value.
    used[begin] = begin + size;
    ++next;
  }
  for (auto [names, gradient] :
       {std::pair(task.getParameters(), false), std::pair(task.getGradients(), true)})
    for (auto name : names.getAsRange<FlatSymbolRefAttr>()) {
      if (failed(checkParameter(run, name.getValue(), offsets[next], bytes[next], gradient)))
        return failure();
      ++next;
    }
  for (int64_t number : task.getMakes()) {
    Content made;
    made.kind = Content::Value;
    made.value = number;
    made.microbatch = microbatch;
    if (failed(distinct(offsets[next], bytes[next])) ||
        failed(write(run, offsets[next], bytes[next], made)))
      return failure();
    ++next;
  }
  if (failed(distinct(offsets[next], bytes[next])))
    return failure();
  return write(run, offsets[next], bytes[next], Content());
}

LogicalResult RankCheck::openSlot(int64_t number, const Slot &slot) {
  auto [it, inserted] = slots.try_emplace(number, slot);
  if (inserted)
    return success();
  auto diagnostic = slot.op->emitOpError("takes slot ") << number << ", which is in use";
  diagnostic.attachNote(it->second.op->getLoc()) << "since here";
  return diagnostic;
}

LogicalResult RankCheck::openMessage(int64_t number, Message message, uint64_t begin) {
  size_t index = result.messages.size();
  result.messages.push_back(message);
  result.events.push_back({nullptr, index});
  return openSlot(number, {message.op, index, begin, begin + message.bytes, 0});
}

LogicalResult RankCheck::check(SendOp send) {
  Content expected;
  expected.kind = Content::Value;
  expected.value = send.getChannel();
  expected.microbatch = send.getMicrobatch();
  if (failed(isPeer(send, send.getPeer())) || failed(isMicrobatch(send, send.getMicrobatch())))
    return failure();
  uint64_t begin = send.getOffset(), bytes = send.getBytes();
  FailureOr<Content *> content = read(send, begin, bytes, expected);
  if (failed(content))
    return failure();
  ++(*content)->sends;
  return openMessage(send.getSlot(),
                     {true, static_cast<int64_t>(send.getPeer()),
                      static_cast<int64_t>(send.getChannel()),
                      static_cast<int64_t>(send.getMicrobatch()), bytes, send},
                     begin);
}

LogicalResult RankCheck::check(RecvOp recv) {
  Content content;
  content.kind = Content::Incoming;
  content.value = recv.getChannel();
  content.microbatch = recv.getMicrobatch();
  uint64_t begin = recv.getOffset(), bytes = recv.getBytes();
  if (failed(isPeer(recv, recv.getPeer())) || failed(isMicrobatch(recv, recv.getMicrobatch())) ||
      failed(write(recv, begin, bytes, content)))
    return failure();
  return openMessage(recv.getSlot(),
                     {false, static_cast<int64_t>(recv.getPeer()),
                      static_cast<int64_t>(recv.getChannel()),
                      static_cast<int64_t>(recv.getMicrobatch()), bytes, recv},
                     begin);
}

LogicalResult RankCheck::inHost(Operation *op, uint64_t begin, uint64_t bytes) {
  uint64_t size = rank.getHostArena();
  if (begin <= size && bytes <= size - begin)
    return success();
  return op->emitOpError("uses ") << bytes << " bytes at " << begin
                                  << " of the host's memory, outside its " << size << " bytes";
}

LogicalResult RankCheck::check(OffloadOp offload) {
  Content expected;
  expected.kind = Content::Value;
  expected.value = offload.getValue();
  expected.microbatch = offload.getMicrobatch();
  uint64_t begin = offload.getOffset(), to = offload.getHost(), bytes = offload.getBytes();
  if (failed(isMicrobatch(offload, offload.getMicrobatch())) || failed(inHost(offload, to, bytes)))
    return failure();
  FailureOr<Content *> content = read(offload, begin, bytes, expected);
  if (failed(content))
    return failure();
  auto [first, last] = host.overlapping(to, to + bytes);
  for (auto it = first; it != last; ++it) {
    const Content &old = it->second.content;
    const char *why = old.kind == Content::Incoming ? "is being offloaded to there"
                      : old.copies                  ? "is being fetched from there"
                      : !old.read                   ? "was offloaded to there and not fetched"
                                                    : nullptr;
    if (!why)
      continue;
    auto diagnostic = offload.emitOpError("writes at ")
                      << to << " of the host's memory, but " << text(old) << " " << why;
    diagnostic.attachNote(old.by->getLoc()) << "since here";
    return diagnostic;
  }
  ++(*content)->copies;
  Content away = expected;
  away.kind = Content::Incoming;
  away.by = offload;
  host.write(to, to + bytes, away);
  return openSlot(offload.getSlot(), {offload, 0, begin, begin + bytes, to});
}

LogicalResult RankCheck::check(FetchOp fetch) {
  Content content;
  content.kind = Content::Value;
  content.value = fetch.getValue();
  content.microbatch = fetch.getMicrobatch();
  uint64_t begin = fetch.getOffset(), from = fetch.getHost(), bytes = fetch.getBytes();
  if (failed(isMicrobatch(fetch, fetch.getMicrobatch())) || failed(inHost(fetch, from, bytes)))
    return failure();
  Content *there = host.exactly(from, from + bytes);
  if (!there || !there->same(content)) {
    auto diagnostic = fetch.emitOpError("expects ") << text(content) << " at " << from << ", bytes "
                                                    << bytes << ", of the host's memory; ";
    auto [first, last] = host.overlapping(from, from + bytes);
    if (first == last) {
      diagnostic << "nothing was offloaded to there";
    } else {
      const Content &old = first->second.content;
      diagnostic << "there is " << text(old)
                 << (old.kind == Content::Incoming ? ", still on its way" : "");
      diagnostic.attachNote(old.by->getLoc()) << "offloaded here";
    }
    return diagnostic;
  }
  there->read = true;
  ++there->copies;
  content.kind = Content::Incoming;
  if (failed(write(fetch, begin, bytes, content)))
    return failure();
  return openSlot(fetch.getSlot(), {fetch, 0, begin, begin + bytes, from});
}

LogicalResult RankCheck::check(WaitOp wait) {
  auto it = slots.find(wait.getSlot());
  if (it == slots.end())
    return wait.emitOpError("waits for slot ") << wait.getSlot() << ", which nothing started";
  Slot slot = it->second;
  slots.erase(it);
  // Nothing may write there meanwhile, so the pieces are still what they were.
  Content *content = arena.exactly(slot.begin, slot.end);
  if (isa<OffloadOp, FetchOp>(slot.op)) {
    Content *away = host.exactly(slot.host, slot.host + (slot.end - slot.begin));
    if (!content || !away)
      return success();
    bool out = isa<OffloadOp>(slot.op);
    (out ? away : content)->kind = Content::Value;
    --(out ? content : away)->copies;
    return success();
  }
  result.events.push_back({wait, slot.message});
  if (content) {
    if (result.messages[slot.message].isSend)
      --content->sends;
    else
      content->kind = Content::Value;
  }
  return success();
}

LogicalResult RankCheck::check(ZeroOp zero) {
  for (ClassOp of : index.classes) {
    auto member = llvm::find(of.getMembers(), static_cast<int64_t>(rank.getRank()));
    if (!of.getTrained() || member == of.getMembers().end() ||
        of.getGrads()[member - of.getMembers().begin()] != static_cast<int64_t>(zero.getOffset()) ||
        of.gradientBytes() != zero.getBytes())
      continue;
    if (!cleared.insert(of.getId()).second)
      return zero.emitOpError("clears the gradients of class ") << of.getId() << " again";
    return success();
  }
  return zero.emitOpError("clears ")
         << zero.getBytes() << " bytes at " << zero.getOffset()
         << ", which are not the gradients of a class that rank " << rank.getRank() << " holds";
}

LogicalResult RankCheck::check(RecordOp record) {
  if (failed(isMicrobatch(record, record.getMicrobatch())))
    return failure();
  ScalarOp scalar = index.scalars.lookup(record.getName());
  uint64_t begin = record.getOffset();
  Content *found = arena.exactly(begin, begin + sizeof(float));
  if (!found || found->kind != Content::Value ||
      found->microbatch != static_cast<int64_t>(record.getMicrobatch()) ||
      !llvm::is_contained(scalar.getTerms(), found->value))
    return record.emitOpError("expects a term of '")
           << record.getName() << "' of microbatch " << record.getMicrobatch() << " at " << begin
           << "; there is " << (found ? text(*found) : "none");
  ++done.records[{record.getName().str(), found->value, found->microbatch}];
  return success();
}

LogicalResult RankCheck::findRegions() {
  for (ClassOp of : index.classes) {
    auto member = llvm::find(of.getMembers(), static_cast<int64_t>(rank.getRank()));
    if (member == of.getMembers().end())
      continue;
    size_t i = member - of.getMembers().begin();
    uint64_t bytes = of.getBytes();
    uint64_t shard = of.shardElements(of.getMembers().size() * program.getReplicas());
    uint64_t moment = shard * of.momentElementBytes();
    auto add = [&](uint64_t begin, uint64_t size, const char *what) {
      if (size)
        regions.push_back({begin, begin + size, what, of});
    };
    add(of.getParams()[i], bytes, "parameters");
    if (!of.getTrained())
      continue;
    add(of.getGrads()[i], of.gradientBytes(), "gradients");
    add(of.getFirst()[i], moment, "first moments");
    add(of.getSecond()[i], moment, "second moments");
    if (of.getMasters())
      add((*of.getMasters())[i], shard * sizeof(float), "master weights");
  }
  llvm::sort(regions);
  uint64_t scratch = rank.getScratchOffset(), scratchEnd = scratch + rank.getScratchBytes();
  const Region *previous = nullptr;
  for (const Region &region : regions) {
    if (previous && region.begin < previous->end)
      return rank.emitOpError("has ") << region.what << " at " << region.begin << " inside the "
                                      << previous->what << " that end at " << previous->end;
    if (region.begin < scratchEnd && scratch < region.end)
      return rank.emitOpError("has ")
             << region.what << " at " << region.begin << " inside its scratch region";
    previous = &region;
  }
  uint64_t end = std::max(scratchEnd, previous ? previous->end : 0);
  if (end > rank.getArena())
    return rank.emitOpError("uses ") << end << " bytes of an arena of " << rank.getArena();
  return success();
}

FailureOr<RankMessages> RankCheck::run() {
  if (failed(findRegions()))
    return failure();
  for (Operation &op : *rank.getBody()) {
    LogicalResult good =
        llvm::TypeSwitch<Operation *, LogicalResult>(&op)
            .Case<LoadOp, RunOp, SendOp, RecvOp, OffloadOp, FetchOp, WaitOp, ZeroOp, RecordOp>(
                [&](auto instruction) { return check(instruction); })
            .Default(
                [](Operation *other) { return other->emitOpError("is no instruction of a rank"); });
    if (failed(good))
      return failure();
  }
  for (const auto &[slot, open] : slots)
    return open.op->emitOpError("is never waited for");
  for (const auto &[begin, piece] : host.all())
    if (!piece.content.read)
      return piece.content.by->emitOpError("offloads ")
             << text(piece.content) << ", which nothing fetches";
  for (const auto &[begin, piece] : arena.all())
    if (piece.content.kind == Content::Input && !piece.content.read)
      return piece.content.by->emitOpError("loads ")
             << text(piece.content) << ", which nothing uses";
  for (Region region : regions)
    if (StringRef(region.what) == "gradients" && !cleared.contains(region.of.getId()))
      return rank.emitOpError("does not clear the gradients of class ") << region.of.getId();
  return std::move(result);
}
