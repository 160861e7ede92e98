//===- MemoryCsvTest.cpp - Tables of lifetimes, good and mutilated --------===//

#include "bigmac/Planning/MemoryCsv.h"

#include <gtest/gtest.h>

#include <random>

using namespace bigmac::planning;

namespace {

TEST(MemoryCsv, KeepsWhatItReads) {
  std::string text = "id,lower,upper,size\nb1,0,3,4\n b2 ,\t3, 9 ,4\n";
  Result<MemoryTable> table = parseMemoryTable(text, "t");
  ASSERT_TRUE(table) << table.message();
  ASSERT_EQ(table->buffers.size(), 2u);
  EXPECT_EQ(table->ids[1], "b2");
  EXPECT_EQ(table->buffers[1].lower, 3u);
  EXPECT_EQ(table->buffers[1].upper, 9u);
  EXPECT_EQ(table->buffers[1].alignment, 1u);
  EXPECT_FALSE(table->offsets);
  std::vector<uint64_t> offsets{0, 4};
  EXPECT_EQ(printMemoryTable(*table, offsets),
            "id,lower,upper,size,offset\nb1,0,3,4,0\n b2 ,\t3, 9 ,4,4\n");
}

TEST(MemoryCsv, ClosedLifetimesEndOneLater) {
  Result<MemoryTable> table = parseMemoryTable("id,start,end,size\na,2,2,1\nb,3,2,1\n", "t");
  ASSERT_TRUE(table) << table.message();
  EXPECT_EQ(table->buffers[0].upper, 3u);
  EXPECT_EQ(table->buffers[1].upper, table->buffers[1].lower);
}

TEST(MemoryCsv, RandomTablesSurvive) {
  std::mt19937_64 random(31);
  for (int round = 0; round < 100; ++round) {
    std::string text = "size,id,upper,lower,alignment\n";
    std::vector<Buffer> buffers(random() % 30);
    for (size_t i = 0; i < buffers.size(); ++i) {
      Buffer &buffer = buffers[i];
      buffer = {random() % 100, 0, random() >> (2 + random() % 60), uint64_t(1) << (random() % 20)};
      buffer.upper = buffer.lower + random() % 100;
      text += std::to_string(buffer.size) + "," + std::to_string(i) + "," +
              std::to_string(buffer.upper) + "," + std::to_string(buffer.lower) + "," +
              std::to_string(buffer.alignment) + "\n";
    }
    Result<MemoryTable> table = parseMemoryTable(text, "t");
    ASSERT_TRUE(table) << table.message();
    std::vector<uint64_t> offsets(buffers.size());
    for (uint64_t &offset : offsets)
      offset = random() >> 2;
    Result<MemoryTable> again = parseMemoryTable(printMemoryTable(*table, offsets), "u");
    ASSERT_TRUE(again) << again.message();
    ASSERT_EQ(again->buffers.size(), buffers.size());
    EXPECT_EQ(again->offsets, offsets);
    for (size_t i = 0; i < buffers.size(); ++i) {
      EXPECT_EQ(again->buffers[i].lower, buffers[i].lower);
      EXPECT_EQ(again->buffers[i].upper, buffers[i].upper);
      EXPECT_EQ(again->buffers[i].size, buffers[i].size);
      EXPECT_EQ(again->buffers[i].alignment, buffers[i].alignment);
    }
    EXPECT_EQ(printMemoryTable(*again, offsets), printMemoryTable(*table, offsets));
  }
}

TEST(MemoryCsv, MutilatedTablesAreRefusedOrRead) {
  // Every mutation is read or refused with the source's name; what is read is placed and printed.
  const std::string good = "id,lower,upper,size,alignment,hint,gaps,offset\n"
                           "a,0,3,4,1,-1,,0\r\nb,3,9,4,2,5,,4\nc,0,9,4611686018427387904,1,-1,,8\n";
  const std::string bytes = "\n\r,0123456789-+.eE \t\"'abx@:;\x80\xff" + std::string(1, '\0');
  std::mt19937_64 random(32);
  unsigned refused = 0, read = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text = good;
    for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
      size_t at = random() % (text.size() + 1);
      switch (random() % 5) {
      case 0:
        text.insert(at, 1, bytes[random() % bytes.size()]);
        break;
      case 1:
        text.erase(at, 1 + random() % 5);
        break;
      case 2:
        if (at < text.size())
          text[at] = bytes[random() % bytes.size()];
        break;
      case 3:
        text.insert(at, text.substr(random() % text.size(), random() % 40));
        break;
      default:
        text.resize(at);
      }
      if (text.empty())
        text = "\n";
    }
    Result<MemoryTable> table = parseMemoryTable(text, "name.csv");
    if (!table) {
      ++refused;
      EXPECT_EQ(table.message().find("name.csv:"), 0u) << table.message();
      EXPECT_LT(table.message().size(), 300u);
      continue;
    }
    ++read;
    std::vector<uint64_t> offsets(table->buffers.size(), 64);
    if (Result<Placement> placement = placeBuffers(table->buffers, {0, std::nullopt})) {
      EXPECT_TRUE(verifyPlacement(table->buffers, placement->offsets, placement->peak));
      offsets = placement->offsets;
    }
    Result<MemoryTable> again = parseMemoryTable(printMemoryTable(*table, offsets), "again");
    ASSERT_TRUE(again) << again.message() << "\n" << text;
    EXPECT_EQ(again->offsets, offsets);
  }
  EXPECT_GT(refused, 1000u);
  EXPECT_GT(read, 100u);
}

} // namespace
