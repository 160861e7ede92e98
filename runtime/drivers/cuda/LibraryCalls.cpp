#include "LibraryCalls.h"

#include "bigmac-rt/Error.h"
#include "bigmac-rt/plan.h"

#include <bit>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <vector>

namespace bigmac::rt {

static const char *typeName(uint32_t type) {
  switch (type) {
  case BM_F32:
    return "f32";
  case BM_BF16:
    return "bf16";
  case BM_F16:
    return "f16";
  default:
    return "a type that libraries do not take";
  }
}

uint64_t operandBytes(uint32_t type) {
  return type == BM_F32 ? 4 : type == BM_BF16 || type == BM_F16 ? 2 : 0;
}

static std::string number(float value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%g", static_cast<double>(value));
  return text;
}

static std::string product(std::initializer_list<int64_t> sizes) {
  std::string text;
  for (int64_t size : sizes)
    text += (text.empty() ? "" : " x ") + std::to_string(size);
  return text;
}

std::string describe(const bm_cuda_matmul &x) {
  std::string text = "matmul " + product({x.m, x.n, x.k}) + " (m x n x k), " + typeName(x.a_type);
  if (x.b_type != x.a_type)
    text += " and " + std::string(typeName(x.b_type));
  if (x.c_type != x.a_type)
    text += ", into " + std::string(typeName(x.c_type));
  if (x.trans_a || x.trans_b)
    text += std::string(", transposed ") + (!x.trans_b ? "A" : x.trans_a ? "A and B" : "B");
  if (x.batch != 1)
    text += ", batch " + std::to_string(x.batch);
  if (x.beta != 0)
    text += ", beta " + number(x.beta);
  if (x.epilogue & BM_EPILOGUE_BIAS)
    text += ", bias";
  if (x.epilogue & BM_EPILOGUE_SAVE)
    text += ", saved";
  if (x.epilogue & BM_EPILOGUE_GELU)
    text += ", gelu";
  if (x.epilogue & BM_EPILOGUE_GELU_BACKWARD)
    text += ", gelu backward";
  if (x.epilogue & BM_EPILOGUE_SUM_A)
    text += ", sums of A";
  if (x.epilogue & BM_EPILOGUE_SUM_B)
    text += ", sums of B";
  return text;
}

bool hasVector(const bm_cuda_matmul &x) {
  return x.epilogue & (BM_EPILOGUE_BIAS | BM_EPILOGUE_SUM_A | BM_EPILOGUE_SUM_B);
}

bool hasAux(const bm_cuda_matmul &x) {
  return x.epilogue & (BM_EPILOGUE_SAVE | BM_EPILOGUE_GELU_BACKWARD);
}

bool doesMoreThanBias(const bm_cuda_matmul &x) { return x.epilogue & ~BM_EPILOGUE_BIAS; }

std::string describe(const bm_cuda_attention &x) {
  std::string text = "attention of " + product({x.batch, x.heads, x.queries, x.depth}) +
                     " (batch x heads x queries x depth) on " + std::to_string(x.keys) + " keys";
  if (x.kv_heads != x.heads)
    text += " of " + std::to_string(x.kv_heads) + " heads";
  if (x.value_depth != x.depth)
    text += ", values of " + std::to_string(x.value_depth);
  text += std::string(", ") + typeName(x.type);
  if (x.causal)
    text += ", causal";
  if (x.has_mask)
    text += ", mask of " +
            product({x.mask_sizes[0], x.mask_sizes[1], x.mask_sizes[2], x.mask_sizes[3]});
  return text;
}

bool hasBackward(const bm_cuda_attention &x) {
  for (const auto *strides : {&x.dq_strides, &x.dk_strides, &x.dv_strides, &x.do_strides})
    for (int64_t stride : *strides)
      if (stride != 0)
        return true;
  return false;
}

namespace {

/// Numbers with spaces between them.
class Key {
public:
  template <typename... Numbers> Key &add(Numbers... numbers) {
    ((text += (text.empty() ? "" : " ") + std::to_string(numbers)), ...);
    return *this;
  }
  Key &add(const int64_t (&numbers)[4]) {
    return add(numbers[0], numbers[1], numbers[2], numbers[3]);
  }
  std::string text;
};

} // namespace

std::string keyOf(const bm_cuda_matmul &x) {
  return Key()
      .add(x.a_type, x.b_type, x.c_type, x.trans_a, x.trans_b, x.epilogue,
           std::bit_cast<uint32_t>(x.beta), x.m, x.n, x.k, x.lda, x.stride_a, x.ldb, x.stride_b,
           x.ldc, x.stride_c, x.ld_aux, x.stride_aux, x.batch)
      .text;
}

std::string keyOf(const bm_cuda_attention &x) {
  Key key;
  key.add(x.type, x.causal, x.has_mask, std::bit_cast<uint32_t>(x.scale), x.batch, x.heads,
          x.kv_heads, x.queries, x.keys, x.depth, x.value_depth);
  for (const auto *strides : {&x.q_strides, &x.k_strides, &x.v_strides, &x.o_strides, &x.dq_strides,
                              &x.dk_strides, &x.dv_strides, &x.do_strides})
    key.add(*strides);
  if (x.has_mask)
    key.add(x.mask_sizes).add(x.mask_strides);
  return key.text;
}

bm_cuda_matmul simplified(bm_cuda_matmul x) {
  // Rows of A, C and aux go on where the previous batch element ends, and B is the same for all.
  bool tall = !x.trans_a && x.stride_b == 0 && x.stride_a == x.m * x.lda &&
              x.stride_c == x.m * x.ldc && (!hasAux(x) || x.stride_aux == x.m * x.ld_aux);
  if (x.batch > 1 && tall) {
    x.m *= x.batch;
    x.batch = 1;
  }
  if (x.batch == 1)
    x.stride_a = x.stride_b = x.stride_c = x.stride_aux = 0;
  return x;
}

MatmulExtents extentsOf(const bm_cuda_matmul &x) {
  auto span = [&](int64_t rows, int64_t columns, int64_t ld, int64_t stride, uint32_t type) {
    int64_t elements = (x.batch - 1) * stride + (rows - 1) * ld + columns;
    return static_cast<uint64_t>(elements) * operandBytes(type);
  };
  return {x.trans_a ? span(x.k, x.m, x.lda, x.stride_a, x.a_type)
                    : span(x.m, x.k, x.lda, x.stride_a, x.a_type),
          x.trans_b ? span(x.n, x.k, x.ldb, x.stride_b, x.b_type)
                    : span(x.k, x.n, x.ldb, x.stride_b, x.b_type),
          span(x.m, x.n, x.ldc, x.stride_c, x.c_type),
          hasVector(x) ? static_cast<uint64_t>(x.epilogue & BM_EPILOGUE_SUM_A ? x.m : x.n) *
                             operandBytes(x.c_type)
                       : 0,
          hasAux(x) ? span(x.m, x.n, x.ld_aux, x.stride_aux, x.c_type) : 0};
}

static constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
static constexpr double kMostElements = 1e15;
/// What the steps between rows and batch elements are multiples of where they are always aligned.
static constexpr int64_t kAlignedElements = 8;

/// What each takes is in cuda.h.
static std::string problemOfEpilogue(const bm_cuda_matmul &x) {
  switch (x.epilogue) {
  case BM_EPILOGUE_NONE:
  case BM_EPILOGUE_BIAS:
    return "";
  case BM_EPILOGUE_GELU:
  case BM_EPILOGUE_BIAS | BM_EPILOGUE_GELU:
  case BM_EPILOGUE_SAVE | BM_EPILOGUE_GELU:
  case BM_EPILOGUE_BIAS | BM_EPILOGUE_SAVE | BM_EPILOGUE_GELU:
  case BM_EPILOGUE_GELU_BACKWARD:
  case BM_EPILOGUE_SUM_A:
  case BM_EPILOGUE_SUM_B:
    break;
  default:
    return "epilogue " + std::to_string(x.epilogue) + " is not known";
  }
  if (x.c_type != x.a_type || x.c_type == BM_F32)
    return "gelu and sums are of bf16 or f16 products, into the same type";
  bool hasSums = x.epilogue & (BM_EPILOGUE_SUM_A | BM_EPILOGUE_SUM_B);
  if (hasSums && x.batch != 1)
    return "sums are of one product: the batch must be 1";
  if (hasSums && (!x.trans_a || x.trans_b))
    return "sums are of a product of A that is transposed and B that is not";
  if (!hasSums && x.beta != 0)
    return "gelu is not of a sum with C: beta must be 0";
  for (int64_t step :
       {x.lda, x.stride_a, x.ldb, x.stride_b, x.ldc, x.stride_c, x.ld_aux, x.stride_aux})
    if (step % kAlignedElements)
      return "with gelu or sums leading dimensions and strides must be multiples of " +
             std::to_string(kAlignedElements) + ", found " + std::to_string(step);
  return "";
}

static std::string problemOf(const bm_cuda_matmul &x) {
  for (uint32_t type : {x.a_type, x.b_type, x.c_type})
    if (!operandBytes(type))
      return "expected f32, bf16 or f16 (bm_dtype 1, 3 or 2), found " + std::to_string(type);
  if (x.a_type != x.b_type)
    return "A and B must have one type";
  if (x.c_type != x.a_type && x.c_type != BM_F32)
    return "C must have the type of A and B, or be f32";
  if (std::string problem = problemOfEpilogue(x); !problem.empty())
    return problem;
  for (int64_t size : {x.m, x.n, x.k, x.batch, x.lda, x.ldb, x.ldc})
    if (size < 1 || size > kMost)
      return "sizes and leading dimensions must be from 1 to " + std::to_string(kMost) +
             ", found " + std::to_string(size);
  struct Operand {
    const char *name;
    int64_t rows, columns, ld, stride;
    bool isWritten;
  };
  std::vector<Operand> operands = {
      {"A", x.trans_a ? x.k : x.m, x.trans_a ? x.m : x.k, x.lda, x.stride_a, false},
      {"B", x.trans_b ? x.n : x.k, x.trans_b ? x.k : x.n, x.ldb, x.stride_b, false},
      {"C", x.m, x.n, x.ldc, x.stride_c, true}};
  if (hasAux(x))
    operands.push_back(
        {"aux", x.m, x.n, x.ld_aux, x.stride_aux, (x.epilogue & BM_EPILOGUE_SAVE) != 0});
  for (const Operand &o : operands) {
    std::string of = std::string(" of ") + o.name;
    if (o.ld < o.columns)
      return "the leading dimension" + of + " is " + std::to_string(o.ld) + ", less than its " +
             std::to_string(o.columns) + " columns";
    if (o.stride < 0)
      return "the batch stride" + of + " is " + std::to_string(o.stride);
    if (double(x.batch) * double(o.stride) + double(o.rows) * double(o.ld) > kMostElements)
      return std::string(o.name) + " spans more than any memory has";
    // One after the other, or row by row in turn.
    bool apart = o.stride >= (o.rows - 1) * o.ld + o.columns ||
                 (o.stride >= o.columns && o.ld >= (x.batch - 1) * o.stride + o.columns);
    if (o.isWritten && x.batch > 1 && !apart)
      return "batch elements" + of + " overlap";
  }
  if (!std::isfinite(x.beta))
    return "beta is not finite";
  return "";
}

static std::string problemOf(const bm_cuda_attention &x) {
  if (x.type != BM_BF16 && x.type != BM_F16)
    return "expected bf16 or f16 (bm_dtype 3 or 2), found " + std::to_string(x.type);
  for (int64_t size : {x.batch, x.heads, x.kv_heads, x.queries, x.keys, x.depth, x.value_depth})
    if (size < 1 || size > kMost)
      return "sizes must be from 1 to " + std::to_string(kMost) + ", found " + std::to_string(size);
  if (x.heads % x.kv_heads)
    return std::to_string(x.heads) + " query heads cannot share " + std::to_string(x.kv_heads) +
           " key and value heads evenly";
  if (!std::isfinite(x.scale))
    return "the scale is not finite";
  struct Operand {
    const char *name;
    const int64_t (&strides)[4];
    bool present;
  };
  bool backward = hasBackward(x);
  for (const Operand &o :
       {Operand{"q", x.q_strides, true}, Operand{"k", x.k_strides, true},
        Operand{"v", x.v_strides, true}, Operand{"o", x.o_strides, true},
        Operand{"grad_q", x.dq_strides, backward}, Operand{"grad_k", x.dk_strides, backward},
        Operand{"grad_v", x.dv_strides, backward}, Operand{"grad_o", x.do_strides, backward}}) {
    for (int64_t stride : o.strides)
      if (o.present && stride < 1)
        return std::string("a stride of ") + o.name + " is " + std::to_string(stride) +
               ", expected 1 or more";
    if (o.present && o.strides[3] != 1)
      return std::string("the columns of ") + o.name + " must be contiguous (stride 1), found " +
             std::to_string(o.strides[3]);
  }
  if (!x.has_mask)
    return "";
  const int64_t whole[4] = {x.batch, x.heads, x.queries, x.keys};
  for (int i = 0; i < 4; ++i)
    if (x.mask_sizes[i] != 1 && x.mask_sizes[i] != whole[i])
      return "size " + std::to_string(i) + " of the mask is " + std::to_string(x.mask_sizes[i]) +
             ", expected 1 or " + std::to_string(whole[i]);
  // Measured, cuDNN 9.19: gradients are wrong then, without a word.
  if (backward && x.mask_sizes[2] != x.queries)
    return "the mask of a backward must have a row for each query, found one for all";
  return "";
}

template <typename Call> static void checkAll(const Call *calls, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i)
    if (std::string problem = problemOf(calls[i]); !problem.empty())
      throw RuntimeError("library call " + std::to_string(i) + " of the program, " +
                         describe(calls[i]) + ": " + problem);
}

void checkLibraryCalls(const bm_cuda_program &program) {
  checkAll(program.matmuls, program.matmul_count);
  checkAll(program.attentions, program.attention_count);
}

} // namespace bigmac::rt
