//===- MaskedScatter.h - Merging by a mask of the data ----------*- C++ -*-===//

#ifndef BIGMAC_LIB_IMPORT_ONNX_MASKEDSCATTER_H
#define BIGMAC_LIB_IMPORT_ONNX_MASKEDSCATTER_H

#include "Model.h"

namespace bigmac::onnx {

/// The op that `rewriteMaskedScatter` makes: data, mask, source. No name of ONNX has a space.
inline constexpr char kMaskedScatter[] = "masked scatter";

/// PyTorch's `data.masked_scatter(mask, source)`, by which vision-language models put image
/// features in the place of image tokens, is exported as
///
///   indices = Transpose(NonZero(mask)); ScatterND(data, indices, Slice(source, 0,
///   Shape(indices)[0]))
///
/// whose shapes depend on the data. Replaces the ScatterND by one op of static shape; what it does
/// not need any more is dead.
void rewriteMaskedScatter(Graph &graph);

} // namespace bigmac::onnx

#endif // BIGMAC_LIB_IMPORT_ONNX_MASKEDSCATTER_H
