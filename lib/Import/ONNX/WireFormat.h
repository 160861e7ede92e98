//===- WireFormat.h - Weights stay where they are in the file ---*- C++ -*-===//

#ifndef BIGMAC_LIB_IMPORT_ONNX_WIREFORMAT_H
#define BIGMAC_LIB_IMPORT_ONNX_WIREFORMAT_H

#include <cstddef>
#include <string>

namespace bigmac::onnx {

/// Key of the `external_data` entry that `stripPayloads` puts in place of a tensor's bytes; its
/// value is "OFFSET:SIZE" in the model's file.
inline constexpr char kPayloadKey[] = "bigmac.payload";

/// Copies a serialized ModelProto without the values of its large tensors (initializers and
/// attributes whose values are contiguous bytes), which are replaced by where they are. What is
/// left is small enough to be parsed, however large the model is; a ModelProto of more than 2 GB,
/// which protobuf itself refuses, works too.
///
/// Walks the wire format of the messages on the way to a tensor only. False with a reason in
/// `error` where a field does not fit into its message.
bool stripPayloads(const char *data, size_t size, std::string &stripped, std::string &error);

} // namespace bigmac::onnx

#endif // BIGMAC_LIB_IMPORT_ONNX_WIREFORMAT_H
