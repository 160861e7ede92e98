//===- SafetensorsTest.cpp - Good and bad safetensors files ----------------===//

#include "bigmac/Support/Safetensors.h"

#include "gtest/gtest.h"

#include <limits>

using bigmac::SafetensorsFile;

namespace {

std::string withLength(uint64_t length, const std::string &rest) {
  std::string bytes;
  for (int i = 0; i < 8; ++i)
    bytes.push_back(static_cast<char>(length >> (8 * i)));
  return bytes + rest;
}

std::string file(const std::string &header, const std::string &data) {
  return withLength(header.size(), header + data);
}

llvm::Expected<SafetensorsFile> parse(const std::string &bytes) {
  return SafetensorsFile::parse(llvm::MemoryBuffer::getMemBufferCopy(bytes, "test.safetensors"));
}

/// The error of a bad file; empty where it is accepted.
std::string errorOf(const std::string &bytes) {
  llvm::Expected<SafetensorsFile> parsed = parse(bytes);
  return parsed ? "" : llvm::toString(parsed.takeError());
}

/// The error of a header that describes 8 bytes of data.
std::string headerError(const std::string &header) { return errorOf(file(header, "12345678")); }

std::string tensor(const std::string &dtype, const std::string &shape, const std::string &offsets) {
  return R"({"x": {"dtype": ")" + dtype + R"(", "shape": )" + shape + R"(, "data_offsets": )" +
         offsets + "}}";
}

TEST(Safetensors, ReadsTensors) {
  auto parsed = parse(file(R"({"__metadata__": {"format": "pt"},
      "b": {"dtype": "U8", "shape": [], "data_offsets": [8, 9]},
      "a": {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]},
      "none": {"dtype": "I64", "shape": [4, 0], "data_offsets": [8, 8]}})",
                           "12345678Z"));
  ASSERT_TRUE(static_cast<bool>(parsed)) << llvm::toString(parsed.takeError());
  EXPECT_EQ(parsed->entries().size(), 3u);
  EXPECT_EQ(parsed->path(), "test.safetensors");
  const SafetensorsFile::Entry *a = parsed->find("a");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a->dtype, "F32");
  EXPECT_EQ(a->shape, (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(std::string(a->bytes.begin(), a->bytes.end()), "12345678");
  EXPECT_EQ(parsed->find("b")->bytes.front(), 'Z');
  EXPECT_EQ(parsed->find("none")->bytes.size(), 0u);
  EXPECT_EQ(parsed->find("c"), nullptr);
}

TEST(Safetensors, AcceptsAnEmptyFileOfTensors) {
  EXPECT_EQ(errorOf(file("{}", "")), "");
  EXPECT_EQ(headerError(tensor("F32", "[2]", "[0, 8]")), "");
}

TEST(Safetensors, RefusesWhatIsNoHeader) {
  EXPECT_NE(errorOf(""), "");
  EXPECT_NE(errorOf("1234567"), "");
  EXPECT_NE(errorOf(withLength(3, "{}")), "");
  EXPECT_NE(errorOf(withLength(std::numeric_limits<uint64_t>::max(), "{}")), "");
  EXPECT_NE(headerError(""), "");
  EXPECT_NE(headerError("[]"), "");
  EXPECT_NE(headerError("{"), "");
  EXPECT_NE(headerError("\xff\xfe"), "");
  EXPECT_NE(headerError(R"({"x": 3})"), "");
}

TEST(Safetensors, RefusesDeepNestingWithoutRecursion) {
  std::string deep(5'000'000, '[');
  EXPECT_NE(errorOf(file(deep, "")).find("nested deeper"), std::string::npos);
  EXPECT_NE(errorOf(file(R"({"x": ")" + deep, "")), "");
  EXPECT_EQ(errorOf(file(R"({"__metadata__": {"x": "[[[[[[[[\"{{{{{{{{\\"}})", "")), "");
}

TEST(Safetensors, RefusesBadTensors) {
  EXPECT_NE(headerError(tensor("F99", "[2]", "[0, 8]")), "");
  EXPECT_NE(headerError(tensor("F32", "2", "[0, 8]")), "");
  EXPECT_NE(headerError(tensor("F32", "[-2]", "[0, 8]")), "");
  EXPECT_NE(headerError(tensor("F32", "[2.5]", "[0, 8]")), "");
  EXPECT_NE(headerError(tensor("F32", "[\"2\"]", "[0, 8]")), "");
  EXPECT_NE(headerError(tensor("F32", "[2]", "[0]")), "");
  EXPECT_NE(headerError(tensor("F32", "[2]", "[0, 8, 8]")), "");
  EXPECT_NE(headerError(tensor("F32", "[2]", "[8, 0]")), "");
  EXPECT_NE(headerError(R"({"x": {"shape": [2], "data_offsets": [0, 8]}})"), "");
  EXPECT_NE(headerError(R"({"x": {"dtype": 4, "shape": [2], "data_offsets": [0, 8]}})"), "");
  EXPECT_NE(headerError(R"({"x": {"dtype": "F32", "data_offsets": [0, 8]}})"), "");
  EXPECT_NE(headerError(R"({"x": {"dtype": "F32", "shape": [2]}})"), "");
}

TEST(Safetensors, NamesTheTensorThatDoesNotFit) {
  EXPECT_EQ(headerError(tensor("F32", "[3]", "[0, 8]")),
            "'test.safetensors': tensor 'x' has a shape larger than the file");
  EXPECT_EQ(headerError(tensor("F32", "[1]", "[0, 8]")),
            "'test.safetensors': tensor 'x' needs 4 bytes by its shape and dtype, has 8");
  EXPECT_EQ(headerError(tensor("F32", "[4]", "[0, 16]")),
            "'test.safetensors': tensor 'x' ends at byte 16 of the data, which has 8; the file may "
            "be truncated");
}

TEST(Safetensors, RefusesOverflow) {
  EXPECT_NE(headerError(tensor("F32", "[4611686018427387906]", "[0, 8]")), "");
  EXPECT_NE(headerError(tensor("F32", "[4294967296, 4294967296, 2]", "[0, 8]")), "");
  EXPECT_NE(headerError(tensor("F32", "[99999999999999999999]", "[0, 8]")), "");
  EXPECT_NE(headerError(tensor("F32", "[2]", "[18446744073709551608, 0]")), "");
  // A size of zero makes the others harmless.
  EXPECT_EQ(errorOf(file(tensor("F32", "[4611686018427387906, 4, 0]", "[0, 0]"), "")), "");
}

TEST(Safetensors, RefusesGapsAndOverlaps) {
  auto two = [](const std::string &first, const std::string &second) {
    return R"({"a": {"dtype": "U8", "shape": [4], "data_offsets": )" + first +
           R"(}, "b": {"dtype": "U8", "shape": [4], "data_offsets": )" + second + "}}";
  };
  EXPECT_EQ(headerError(two("[4, 8]", "[0, 4]")), "");
  EXPECT_NE(headerError(two("[0, 4]", "[2, 6]")), "");
  EXPECT_NE(headerError(two("[0, 4]", "[0, 4]")), "");
  EXPECT_NE(errorOf(file(two("[0, 4]", "[5, 9]"), "123456789")), "");
  EXPECT_NE(errorOf(file(two("[0, 4]", "[4, 8]"), "123456789")), "");
}

TEST(Safetensors, MissingFileNamesItsPath) {
  llvm::Expected<SafetensorsFile> missing = SafetensorsFile::open("/no/such/file.safetensors");
  ASSERT_FALSE(static_cast<bool>(missing));
  EXPECT_NE(llvm::toString(missing.takeError()).find("/no/such/file.safetensors"),
            std::string::npos);
}

} // namespace
