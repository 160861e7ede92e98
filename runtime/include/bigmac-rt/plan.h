//===- plan.h - The plan image: what one training executable does ---------===//
//
// The compiler writes one plan image per executable (PlanWriter.h); the runtime opens it, checks
// every number in it and executes it literally. The image is one flat blob: this header, then
// tables that are named by byte offset from the image's start. Little-endian; every struct is a
// multiple of 8 bytes; every table starts at a multiple of 8. Nothing in it is a pointer.
//
// World rank = replica * ranks + pipeline rank. All replicas run the same rank programs.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_RT_PLAN_H
#define BIGMAC_RT_PLAN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BM_PLAN_MAGIC "BMACPLAN" /* 8 bytes, no terminator in the image */
#define BM_PLAN_VERSION 2u
#define BM_NONE64 UINT64_MAX /* "no offset" */
#define BM_NONE32 UINT32_MAX /* "no index" */
/* Every region's offset in an arena is a multiple of this many bytes. */
#define BM_REGION_ALIGN 64u
/* A shard of a trained class is a multiple of this many elements. */
#define BM_SHARD_ALIGN 16u
/* Tags of SEND and RECV are below this (what MPI promises for MPI_TAG_UB at least). */
#define BM_TAG_LIMIT 32768u

/* A table: `count` elements that start `offset` bytes from the image's start. */
typedef struct bm_range {
  uint64_t offset;
  uint64_t count;
} bm_range;

/* Text: UTF-8, `size` bytes at `offset`, no terminator. */
typedef struct bm_string {
  uint64_t offset;
  uint64_t size;
} bm_string;

typedef enum bm_dtype {
  BM_F32 = 1,
  BM_F16 = 2,
  BM_BF16 = 3,
  BM_F64 = 4,
  BM_I64 = 5,
  BM_I32 = 6,
  BM_I16 = 7,
  BM_I8 = 8,
  BM_U8 = 9,
  BM_BOOL = 10
} bm_dtype;

typedef enum bm_component {
  BM_LLM = 0,
  BM_ENCODER = 1,
  BM_GENERATOR = 2,
  BM_NO_COMPONENT = 3
} bm_component;

typedef enum bm_phase {
  BM_FORWARD = 0,         /* F, EF, GF */
  BM_BACKWARD = 1,        /* B, EB, GB: whole backward, or the input gradient when W is split off */
  BM_WEIGHT_GRADIENT = 2, /* W */
  BM_FORWARD_BACKWARD = 3, /* G */
  BM_NO_PHASE = 4
} bm_phase;

/* Classes of the memory report. Regions of different classes may share bytes at different times, so
   the sum over classes may exceed the arena. */
typedef enum bm_memory {
  BM_MEM_PARAMETERS = 0, /* trained and frozen */
  BM_MEM_GRADIENTS = 1,
  BM_MEM_OPTIMIZER = 2,
  BM_MEM_LLM = 3, /* activations */
  BM_MEM_ENCODER = 4,
  BM_MEM_GENERATOR = 5,
  BM_MEM_TRANSFERS = 6,
  BM_MEM_WORKSPACE = 7,
  BM_MEM_INPUTS = 8,
  BM_MEM_COUNT = 9
} bm_memory;

/* One graph input. Its tensor in the data folder has shape [samples, dims[1], ...]. */
typedef struct bm_input {
  bm_string name;
  bm_range dims; /* int64_t; the shape of one microbatch, dims[0] = samples per microbatch */
  int64_t low;   /* integer inputs: every value must be in [low, high]; no check when low > high. */
  int64_t
      high; /* (Token ids index tables: a bad value in the data must be an error, not a fault.) */
  uint32_t dtype;
  uint32_t reserved;
} bm_input;

/* One parameter: `position` is its byte position inside the parameter region of its class. */
typedef struct bm_param {
  bm_string name;
  bm_range dims; /* int64_t; empty for a scalar */
  uint64_t position;
  uint32_t dtype;
  uint32_t class_index;
} bm_param;

typedef enum bm_class_kind {
  BM_CLASS_FROZEN = 0,  /* a parameter region only */
  BM_CLASS_TRAINED = 1, /* parameters, gradients and a shard of optimizer state */
  BM_CLASS_SHARDED = 2  /* kept for parameters gathered at cuts; refused by this version */
} bm_class_kind;

/* Parameters held by the same set of pipeline ranks; trained ones may be in several classes, so
   that each is summed when its gradients are complete. Trained: the class is cut into shards =
   members * replicas equal shards; shard k belongs to replica k / members, and there to the member
   k % members, which sums its gradients and keeps its optimizer state. All parameters of a trained
   class are of one type, and element i of each of its regions belongs to element i of the parameter
   region. */
typedef struct bm_class {
  bm_range members; /* bm_member, by increasing rank */
  uint64_t bytes;   /* of the parameter region. Trained: a multiple of shards * BM_SHARD_ALIGN
                       elements, padding included */
  uint32_t kind;
  /* Trained: all fp32; or bf16 parameters, gradients of either type, and moments in bf16, or with
     master weights in fp32. */
  uint32_t dtype;
  uint32_t grad_dtype;
  uint32_t moment_dtype;
} bm_class;

/* Where one pipeline rank keeps a class: byte offsets in its arena. */
typedef struct bm_member {
  uint64_t param_offset;  /* bm_class.bytes */
  uint64_t grad_offset;   /* an element of grad_dtype for each; trained only, else BM_NONE64 */
  uint64_t m_offset;      /* first moment of this member's shard, moment_dtype; trained only */
  uint64_t v_offset;      /* second moment */
  uint64_t master_offset; /* fp32 master weights of this member's shard; BM_NONE64: none */
  uint32_t rank;          /* pipeline rank */
  uint32_t reserved;
} bm_member;

/* One compiled function, bm_task_table[index of this entry]. */
typedef struct bm_task {
  bm_string name;
  bm_range arg_bytes; /* uint64_t; the size of each buffer argument, checked against the arena */
  uint32_t component;
  uint32_t phase;
  int32_t stage; /* LLM stage, else -1 */
  uint32_t reserved;
} bm_task;

typedef enum bm_scalar_flags {
  BM_SCALAR_LOSS = 1,  /* exactly one */
  BM_SCALAR_WEIGHT = 2 /* at most one: the weight of each microbatch's loss (e.g. its tokens) */
} bm_scalar_flags;

/* One scalar output of the graph. */
typedef struct bm_scalar {
  bm_string name;
  uint32_t flags;
  uint32_t reserved;
} bm_scalar;

typedef enum bm_op {
  /* Copy microbatch `microbatch` of input `index` to `offset` (`bytes` of one microbatch). */
  BM_OP_LOAD_INPUT = 1,
  /* Call task `index` with arg_count pointers: arena + offset for each uint64_t of `args`. */
  BM_OP_RUN = 2,
  /* Start sending `bytes` at `offset` to pipeline rank `peer` of the same replica, under `tag`; the
     bytes must not change until the WAIT on `slot`. Messages between two ranks with one tag arrive
     in the order in which they were started. A send may stay open until its receive is posted. */
  BM_OP_SEND = 3,
  /* Start receiving; the bytes must not be touched until the WAIT on `slot`. */
  BM_OP_RECV = 4,
  /* Wait for the send, receive or copy open in `slot`; the slot is free again. */
  BM_OP_WAIT = 5,
  /* Set `bytes` at `offset` to zero. */
  BM_OP_ZERO = 6,
  /* Add the fp32 at `offset` to scalar output `index` of microbatch `microbatch`. A scalar that is
     a sum of terms computed in several places is recorded once for each term. */
  BM_OP_RECORD = 7,
  /* Copy `bytes` from `source` to `offset`; the two must not overlap. */
  BM_OP_COPY = 8,
  /* Start copying `bytes` at `offset` of the arena to `host` of this rank's host memory; neither
     may be written until the WAIT on `slot`. */
  BM_OP_OFFLOAD = 9,
  /* Start copying back: `bytes` at `host`, which an OFFLOAD that was waited for wrote, to `offset`.
     Until the WAIT on `slot` the former may not be written, the latter not be touched. */
  BM_OP_FETCH = 10
} bm_op;

typedef struct bm_instr {
  uint16_t op;
  uint8_t component; /* component, phase, chunk, microbatch, unit: the action this belongs to */
  uint8_t phase;
  uint32_t index;
  int32_t microbatch; /* of this replica; -1 where none */
  int32_t chunk;      /* LLM actions, else -1 */
  int32_t unit;       /* encoder and generator actions, else -1 */
  uint32_t slot;
  uint64_t offset;
  uint64_t bytes;
  union {
    bm_range args;   /* RUN: uint64_t offsets in the arena */
    uint64_t source; /* COPY */
    uint64_t host;   /* OFFLOAD, FETCH: in the rank's host memory */
  } u;
  int32_t peer;
  uint32_t tag;
} bm_instr;

/* The program of one pipeline rank for one step. */
typedef struct bm_rank {
  uint64_t arena_bytes;
  uint64_t host_bytes;           /* of the host's memory, for OFFLOAD and FETCH */
  uint64_t memory[BM_MEM_COUNT]; /* peak bytes of each class, for the report */
  /* A region of the arena that is free once the last instruction has run; it may overlap
     activations and transfer buffers. Gradient sums on host memory receive the other ranks' pieces
     in it, so it is needed where this rank belongs to a trained class of more than one shard: at
     least BM_SCRATCH_MIN bytes for each of the other shards; more makes fewer, larger messages. */
  uint64_t scratch_offset;
  uint64_t scratch_bytes;
  bm_range instrs; /* bm_instr */
  uint32_t slots;  /* slots are 0 .. slots-1 */
  uint32_t reserved;
} bm_rank;

#define BM_SCRATCH_MIN 4096u

typedef struct bm_plan {
  char magic[8];
  uint32_t version;
  uint32_t header_size; /* sizeof(bm_plan) */
  uint64_t image_size;
  uint64_t checksum; /* hash64 (Hash.h) of everything after this field; what precedes it is checked
                        itself */
  bm_string model;   /* the model's name */
  bm_string target;  /* "cpu" */
  bm_string compiler;
  bm_string options; /* the options it was compiled with, for reports */
  uint64_t model_hash;
  bm_string weights_file;       /* base name of the initial weights, beside the executable */
  uint64_t weights_size;        /* its size in bytes */
  uint64_t weights_header_hash; /* hash64 of its first 8 + N bytes (length and JSON header) */
  uint32_t ranks;
  uint32_t replicas;
  uint32_t microbatches; /* per replica */
  uint32_t samples;      /* per microbatch */
  bm_range inputs;       /* bm_input */
  bm_range params;       /* bm_param */
  bm_range classes;      /* bm_class */
  bm_range tasks;        /* bm_task */
  bm_range scalars;      /* bm_scalar */
  bm_range rank_plans;   /* bm_rank, one for each pipeline rank */
} bm_plan;

/* What the compiler's objects define and the library's main() uses. */
extern const unsigned char bm_plan_image[]; /* aligned to 8 bytes or more */
extern const uint64_t bm_plan_image_size;
typedef void (*bm_task_fn)(void *const *args);
extern const bm_task_fn bm_task_table[];
extern const uint64_t bm_task_count;

#ifdef __cplusplus
} // extern "C"
#endif

#endif // BIGMAC_RT_PLAN_H
