// Scopes in node metadata, and payloads in the wire format.
#include "lib/Import/ONNX/Scopes.h"
#include "lib/Import/ONNX/WireFormat.h"

#include <gtest/gtest.h>

using namespace bigmac::onnx;

TEST(Scopes, TakesTheInnermostModule) {
  auto scopes = [](const char *list) {
    return scopeOfNode({{"pkg.torch.onnx.name_scopes", list}}, "node");
  };
  EXPECT_EQ(scopes("['', 'm', 'm.layers.0', 'linear']"), "m.layers.0");
  EXPECT_EQ(scopes(R"(["", "it's", 'add'])"), "it's");
  EXPECT_EQ(scopes(R"(['a\'b', 'c'])"), "a'b");
  EXPECT_EQ(scopes("['', 'add']"), "");
  for (const char *broken : {"", "[", "['a", "['a' 'b'", "nonsense", "['a', 3]"})
    EXPECT_EQ(scopes(broken), "") << broken;
}

TEST(Scopes, FallsBackToTheNamespaceAndTheName) {
  EXPECT_EQ(
      scopeOfNode({{"namespace", ": M/m: a.B/m.fc: torch.nn.Linear/linear: aten.linear"}}, ""),
      "m.fc");
  EXPECT_EQ(scopeOfNode({{"namespace", "linear"}}, ""), "");
  EXPECT_EQ(scopeOfNode({}, "/model/layers.0/mlp/MatMul"), "model.layers.0.mlp");
  EXPECT_EQ(scopeOfNode({}, "/MatMul"), "");
  EXPECT_EQ(scopeOfNode({}, "node_linear"), "");
}

namespace {

std::string field(unsigned number, const std::string &bytes) {
  std::string out;
  auto varint = [&](size_t value) {
    for (; value >= 0x80; value >>= 7)
      out.push_back(static_cast<char>(value | 0x80));
    out.push_back(static_cast<char>(value));
  };
  varint(size_t(number) << 3 | 2);
  varint(bytes.size());
  return out + bytes;
}

/// A ModelProto with one initializer of the given fields.
std::string model(const std::string &tensor) { return field(7, field(5, tensor)); }

bool isStripped(const std::string &tensor, std::string &stripped) {
  std::string bytes = model(tensor), error;
  EXPECT_TRUE(stripPayloads(bytes.data(), bytes.size(), stripped, error)) << error;
  return stripped != bytes;
}

} // namespace

TEST(WireFormat, NamesWhereAPayloadIs) {
  std::string payload(5000, 'w'), stripped;
  std::string tensor = field(8, "name") + field(9, payload);
  ASSERT_TRUE(isStripped(tensor, stripped));
  EXPECT_LT(stripped.size(), 100u);
  std::string where = std::to_string(model(tensor).find(payload)) + ":5000";
  EXPECT_NE(stripped.find(where), std::string::npos);
  EXPECT_NE(stripped.find("name"), std::string::npos);
}

TEST(WireFormat, LeavesSmallAndSplitValues) {
  std::string large(2000, 'w'), stripped;
  EXPECT_FALSE(isStripped(field(9, "small"), stripped));
  EXPECT_FALSE(isStripped(field(4, large) + field(4, large), stripped));
  EXPECT_FALSE(isStripped(field(9, large) + field(4, large), stripped));
  EXPECT_TRUE(isStripped(field(4, large), stripped));
}

TEST(WireFormat, RefusesWhatDoesNotFit) {
  std::string stripped, error;
  std::string whole = model(field(9, std::string(3000, 'w')));
  for (size_t length = 1; length < whole.size(); length += 7)
    EXPECT_FALSE(stripPayloads(whole.data(), length, stripped, error)) << length;
  EXPECT_NE(error.find("at byte"), std::string::npos);
  for (std::string broken : {std::string("\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11),
                             std::string("\x3b"), std::string("\x07"), std::string("\x3a\x80"),
                             std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11)})
    EXPECT_FALSE(stripPayloads(broken.data(), broken.size(), stripped, error));
}
