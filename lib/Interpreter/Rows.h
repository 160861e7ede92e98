//===- Rows.h - Loops over the rows of a tensor ----------------------------===//

#ifndef BIGMAC_LIB_INTERPRETER_ROWS_H
#define BIGMAC_LIB_INTERPRETER_ROWS_H

#include "bigmac/Interpreter/Tensor.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace bigmac::interpreter {

/// Calls `visit(first, columns, row)` for each row along the last dimension, whose elements start
/// at `first`.
template <typename Visit> void forEachRow(const Tensor &tensor, Visit visit) {
  int64_t columns = tensor.shape().back();
  int64_t rows = columns ? tensor.size() / columns : 0;
  for (int64_t row = 0; row < rows; ++row)
    visit(row * columns, columns, row);
}

/// log(sum(exp(x))) of a row, computed from its maximum so that it does not overflow. NaN where all
/// elements are -inf.
inline double rowLogSumExp(const Tensor &tensor, int64_t first, int64_t columns) {
  double top = -std::numeric_limits<double>::infinity(), sum = 0;
  for (int64_t j = first; j < first + columns; ++j)
    top = std::max(top, tensor.at(j));
  for (int64_t j = first; j < first + columns; ++j)
    sum += std::exp(tensor.at(j) - top);
  return top + std::log(sum);
}

} // namespace bigmac::interpreter

#endif // BIGMAC_LIB_INTERPRETER_ROWS_H
