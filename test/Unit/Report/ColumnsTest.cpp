// The page's number format.

#include "lib/Report/Columns.h"

#include <gtest/gtest.h>
#include <zlib.h>

using namespace bigmac::report;

namespace {

TEST(Columns, WritesSevenBitsAByte) {
  Column column;
  column.add(0);
  column.add(127);
  column.add(128);
  column.add(uint64_t(1) << 63);
  EXPECT_EQ(column.bytes(),
            std::string("\x00\x7f\x80\x01\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 14));
}

TEST(Columns, FoldsSigns) {
  Column column;
  for (int64_t value : {int64_t(0), int64_t(-1), int64_t(1), int64_t(-64), int64_t(64)})
    column.addSigned(value);
  EXPECT_EQ(column.bytes(), std::string("\x00\x01\x02\x7f\x80\x01", 6));
  Column extremes, expected;
  extremes.addSigned(INT64_MIN);
  expected.add(UINT64_MAX);
  EXPECT_EQ(extremes.bytes(), expected.bytes());
}

TEST(Columns, Base64IsThatOfRfc4648) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xff\xfe\xfb"), "//77");
}

TEST(Columns, DeflatesToWhatZlibInflates) {
  std::string text;
  for (int i = 0; i < 100000; ++i)
    text += static_cast<char>(i * i % 251);
  auto packed = deflated(text);
  ASSERT_TRUE(packed.ok());
  std::string back(text.size(), '\0');
  uLongf size = back.size();
  ASSERT_EQ(uncompress(reinterpret_cast<Bytef *>(back.data()), &size,
                       reinterpret_cast<const Bytef *>(packed->data()), packed->size()),
            Z_OK);
  EXPECT_EQ(back, text);
}

} // namespace
