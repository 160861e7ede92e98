// What a page and a trace refuse, and that no name becomes markup. What a page shows is tested in a
// browser (test/Report).

#include "bigmac/Report/Page.h"
#include "Simulated.h"
#include "bigmac/Report/Trace.h"

using namespace bigmac;
using namespace bigmac::report;
using namespace bigmac::planning;

namespace {

size_t count(const std::string &text, std::string_view part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++found;
  return found;
}

TEST(Page, NamesAreTextEverywhere) {
  Simulated simulated(ScheduleKind::BigMac, bothCosts(), 2, 2, 4);
  auto plain = renderPage("plain", std::vector<Content>{simulated.content("bigmac")});
  ASSERT_TRUE(plain.ok()) << plain.message();

  const std::string hostile = "</script></title><script>alert(1)</script><!-- {{script}} \" ' &";
  Content content = simulated.content(hostile);
  content.notes.emplace_back(hostile, hostile);
  auto memory = activationMemory(simulated.schedule, simulated.timing, *simulated.dependencies,
                                 simulated.costs);
  ASSERT_TRUE(memory.ok());
  content.memory = **memory;
  content.memory->classes[0] = hostile;
  auto page = renderPage(hostile, std::vector<Content>{content});
  ASSERT_TRUE(page.ok()) << page.message();
  for (std::string_view markup : {"<script", "</script", "<!--", "</title"})
    EXPECT_EQ(count(*page, markup), count(*plain, markup)) << markup;
}

TEST(Page, KeepsItsSmallSizeWithManyMicrobatches) {
  auto sizeWith = [](uint32_t microbatches) {
    Simulated simulated(ScheduleKind::BigMac, bothCosts(), 4, 2, microbatches);
    auto page = renderPage("size", std::vector<Content>{simulated.content("bigmac")});
    EXPECT_TRUE(page.ok());
    return page->size();
  };
  // 30720 more actions; the pattern repeats.
  EXPECT_LT(sizeWith(2048), sizeWith(128) + 30720);
}

TEST(Page, RefusesWhatIsNotTheSchedules) {
  Simulated simulated(ScheduleKind::BigMac, bothCosts(), 2, 2, 4);
  auto messageOf = [&](const Content &content) {
    std::vector<Content> list = {content};
    auto page = renderPage("title", list);
    auto trace = writeTrace(list, [](std::string_view) {});
    EXPECT_FALSE(page.ok());
    EXPECT_FALSE(trace.ok());
    return page.ok() || trace.ok()
               ? std::string()
               : page.message() + (page.message() == trace.message() ? "" : "!");
  };

  Timing shorter = simulated.timing;
  shorter.end[1].pop_back();
  Content content = simulated.content("mine");
  content.timing = &shorter;
  EXPECT_EQ(messageOf(content), "mine: the timing is of another schedule");

  content = simulated.content("mine");
  content.memory.emplace();
  content.memory->classes = {"bytes"};
  EXPECT_EQ(messageOf(content), "mine: the memory is of another number of ranks");
  content.memory->base = {{0}, {0}};
  content.memory->steps = {{{0, true, 0, 5}, {0, false, 0, 5}}, {}};
  EXPECT_NE(messageOf(content).find("rank 0 has a memory step out of order"), std::string::npos);
  content.memory->steps = {{}, {{0, false, 0, 5}, {1, false, 0, -6}}};
  EXPECT_NE(messageOf(content).find("below 0 bytes"), std::string::npos);
  content.memory->steps = {{}, {{4000, false, 0, 5}}};
  EXPECT_NE(messageOf(content).find("of no action"), std::string::npos);

  auto none = renderPage("title", {});
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.message(), "a report needs a schedule");
}

TEST(Page, RefusesDependenciesOnActionsThatAreNotThere) {
  Simulated simulated(ScheduleKind::BigMac, bothCosts(), 2, 2, 4);
  Simulated other(ScheduleKind::BigMac, bothCosts(), 2, 2, 4);
  other.schedule.orders[0].pop_back();
  other.timing.start[0].pop_back();
  other.timing.end[0].pop_back();
  other.schedule.orders[0].erase(other.schedule.orders[0].begin());
  other.timing.start[0].erase(other.timing.start[0].begin());
  other.timing.end[0].erase(other.timing.end[0].begin());
  auto page = renderPage("title", std::vector<Content>{other.content("mine")});
  ASSERT_FALSE(page.ok());
  EXPECT_NE(page.message().find("EF(unit 0, microbatch 0) on rank 0"), std::string::npos)
      << page.message();
}

} // namespace
