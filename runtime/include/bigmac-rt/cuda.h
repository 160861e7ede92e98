//===- cuda.h - What compiled CUDA programs and the runtime share ---------===//
//
// A task of a CUDA program is host code, `void f(void *const *args)` as on the CPU; its pointers
// are in the device's memory, and it launches kernels and calls libraries on the stream of the
// running task. It returns at once, does not wait for the device, does not allocate, and does the
// same on every call: what a step's tasks launch is kept as one CUDA graph and started again. An
// error in it is remembered and ends the run when the task has returned.
//
// Library calls are described by tables, not by their callers: the runtime prepares all of them
// when the program starts (algorithms chosen, kernels loaded and compiled), so that calling one
// only launches it. They share one workspace beside the arena.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_RT_CUDA_H
#define BIGMAC_RT_CUDA_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bm_cuda_kernel {
  const char *name;      /* in the image */
  uint32_t shared_bytes; /* dynamic workgroup memory, beside what the kernel declares */
  uint32_t reserved;
} bm_cuda_kernel;

/* A set: what becomes of each element of the sum before it is rounded to C's type, in this order.
   With any but BIAS all types are bf16 or all are fp16, pointers are multiples of 16 bytes, and
   leading dimensions and strides of 8 elements. gelu is its tanh form; with it beta is 0. */
enum bm_cuda_epilogue {
  BM_EPILOGUE_NONE = 0,
  BM_EPILOGUE_BIAS = 1, /* vector[n], of C's type, is added to each row */
  BM_EPILOGUE_SAVE = 2, /* it is written to aux; GELU comes after that */
  BM_EPILOGUE_GELU = 4,
  BM_EPILOGUE_GELU_BACKWARD = 8, /* alone: it is multiplied by gelu's derivative at aux */
  /* Alone, of one product (batch 1) with A transposed and B not, which is all that cuBLASLt 13.0
     takes: nothing becomes of it, but the sums of op(A)'s rows, m of them, or of op(B)'s columns,
     n of them, are written to the vector, of C's type. */
  BM_EPILOGUE_SUM_A = 16,
  BM_EPILOGUE_SUM_B = 32
};

/* C[i] = op(A[i]) * op(B[i]) + beta * C[i] (+ bias) for i in [0, batch), row-major, summed in fp32;
   op transposes where trans_a / trans_b is not 0. op(A) is m x k, op(B) k x n, C m x n. Leading
   dimensions and strides (from one batch element to the next; 0 repeats an operand, not C) are in
   elements. A and B have one type; C has it too, or is fp32. fp32 operands are multiplied in full
   fp32 (no TF32). Types are values of bm_dtype (plan.h): BM_F32, BM_BF16, BM_F16. The auxiliary
   matrix of an epilogue is m x n of C's type; ld_aux and stride_aux are 0 without one. */
typedef struct bm_cuda_matmul {
  uint32_t a_type, b_type, c_type;
  uint32_t trans_a, trans_b;
  uint32_t epilogue; /* of bm_cuda_epilogue */
  float beta;        /* 0: C is not read; 1: accumulates */
  uint32_t reserved;
  int64_t m, n, k, lda, stride_a, ldb, stride_b, ldc, stride_c, ld_aux, stride_aux, batch;
} bm_cuda_matmul;

/* Fused attention, softmax(scale * q k^T + mask) v, by cuDNN. Sizes and strides are of
   [batch, head, row, column], in elements; columns are contiguous (stride 1). Query heads share
   key and value heads in groups of heads / kv_heads. What cuDNN 9 takes on GPUs of sm_90: bf16 and
   fp16; depth and value_depth multiples of 8 and at most 256; strides other than the last, and
   pointers, multiples of 16 bytes; causal only where keys >= queries, and with an additive mask too
   only where keys = queries; not one query with one key.

   Where all strides of gradients are 0 there is only a forward.

   Workspace that the backward needs (the forward needs 256 bytes): 256 +
     4 * batch * heads * queries
     + 4 * batch * heads * queries * depth (the gradient of q in fp32), with --deterministic
       2 * batch * heads * (queries rounded up to 64) * (keys rounded up to 128) instead
     + 2 * batch * heads * keys * (depth + value_depth) where kv_heads != heads. */
typedef struct bm_cuda_attention {
  uint32_t type;     /* of q, k, v, o and their gradients; logsumexp and the arithmetic are fp32 */
  uint32_t causal;   /* query i sees keys up to i + keys - queries */
  uint32_t has_mask; /* an additive mask of `type`, of size 1 where it is repeated */
  float scale;
  int64_t batch, heads, kv_heads, queries, keys, depth, value_depth;
  int64_t q_strides[4], k_strides[4], v_strides[4], o_strides[4];
  int64_t dq_strides[4], dk_strides[4], dv_strides[4], do_strides[4];
  int64_t mask_sizes[4], mask_strides[4];
} bm_cuda_attention;

/* All kernels and library calls of a program. */
typedef struct bm_cuda_program {
  const void *image; /* a cubin or fatbin */
  const bm_cuda_kernel *kernels;
  uint64_t kernel_count;
  const bm_cuda_matmul *matmuls;
  uint64_t matmul_count;
  const bm_cuda_attention *attentions;
  uint64_t attention_count;
  uint64_t workspace_bytes; /* of library calls: one at a time uses it */
} bm_cuda_program;

/* What the objects of a program for the target "cuda" define, and those of others do not. */
extern const bm_cuda_program bm_cuda;

/* Launches kernel `index` of the program; params[i] points to the i-th argument (for a buffer: to
   the pointer). */
void bm_cuda_launch(uint32_t index, uint32_t grid_x, uint32_t grid_y, uint32_t grid_z,
                    uint32_t block_x, uint32_t block_y, uint32_t block_z, void **params);

/* Runs matmul `index` of the program. `vector` (a bias, which is read, or sums) and `aux` are null
   without such an epilogue. Pointers are aligned to their elements; where all are multiples of 16
   bytes it is fastest. */
void bm_cuda_matmul_run(uint32_t index, const void *a, const void *b, void *c, void *vector,
                        void *aux);

/* Runs attention `index` of the program. `mask` is null without one. logsumexp is a dense
   [batch, heads, queries], the natural logarithm of the sum over keys of exp(scale * q k^T + mask);
   +inf for a query that sees no key, whose row of `o` is zero and has no gradient. */
void bm_cuda_attention_forward(uint32_t index, const void *q, const void *k, const void *v,
                               const void *mask, void *o, float *logsumexp);
void bm_cuda_attention_backward(uint32_t index, const void *q, const void *k, const void *v,
                                const void *mask, const void *o, const float *logsumexp,
                                const void *grad_o, void *grad_q, void *grad_k, void *grad_v);

/* table[ids[i]] += rows[i] for i in [0, count), in the order of i: the same bits in every run. ids
   are int64 (id_bytes 8) or int32 (4); negative ones count from the end. Types are BM_F32 or
   BM_BF16; what is added to one row is summed in fp32 and rounded once. An id outside of the table
   is reported, see below. */
void bm_cuda_scatter_rows(void *table, uint32_t table_type, int64_t table_rows, int64_t width,
                          const void *ids, uint32_t id_bytes, int64_t count, const void *rows,
                          uint32_t rows_type);

/* Ends the run, in the way that is said below, if one of `count` indices (int64 or int32, see
   index_bytes) is not in [lowest, size) and is not `ignored` (INT64_MIN: none is). */
void bm_cuda_check_indices(const void *indices, uint32_t index_bytes, int64_t count, int64_t lowest,
                           int64_t size, int64_t ignored);

/* The address in the device's memory of a record for kernels that find an index outside of its
   table: {uint64_t count; int64_t index; int64_t size}. A count that is not zero ends the run with
   the index and the size (as bm_index_error() does on the CPU) when the step has been executed. The
   first to count fills in the other two. */
void *bm_cuda_index_error_record(void);

/* The stream of the running task: a CUstream, also a cudaStream_t. */
void *bm_cuda_stream(void);

/* Remembers that a library call of the running task has failed, unless an earlier one has:
   "cuBLASLt: matmul 512 x 512 x 64: not supported". */
void bm_cuda_fail(const char *what);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // BIGMAC_RT_CUDA_H
