// The contract between generated code and the runtime: plain C, included by both sides (codegen emits against
// these offsets). One step of the model is one function that every worker calls with its own GmStep, or one
// kernel that a GPU's blocks run together from one GmStep; nothing else crosses.
#pragma once

#include <stdint.h>

#define GM_ABI_VERSION 4
#define GM_STREAM_BLOCK (1 << 20) /* bytes that `stream` reads at a time */
#define GM_PEAKS 3 /* most kinds of arithmetic that are measured */
#define GM_PEAK_BYTES                                                                                        \
  12288 /* of scratch that their functions use: activations, weights, results; 4096 each */

#ifdef __cplusplus
extern "C" {
#endif

/// What one worker sees of one step. All pointers are 64-byte aligned. codegen/cpu (StepField) relies on the
/// field offsets. On a GPU it lies in device memory, as all that it points to; there is one for all blocks:
/// worker is 0, workers the blocks of the launch, all of which are resident, pool null, and scratch that of
/// block 0, which the others' follow, "scratch_bytes" each.
typedef struct GmStep {
  char *arena;              ///<  0: activations and KV caches, shared by all workers
  const char *weights;      ///<  8: packed weights, mapped from the executable
  char *scratch;            ///< 16: private to this worker, manifest "scratch_bytes" long
  const int32_t *tokens;    ///< 24: [rows] token ids
  const int32_t *positions; ///< 32: [rows] absolute positions, ascending by 1
  int64_t rows;             ///< 40: live M, 1 <= rows <= the entry's max rows
  int64_t *counters;        ///< 48: manifest "counters" lines of 64 bytes, zero at the start of a step. Each phase
                            ///<     has one, some have more; its tasks are claimed from the first number, and
                            ///<     behind that generated code counts what it likes
  int64_t worker;           ///< 56: index of this worker, only for prefetch hints; never for cutting work
  void *pool;               ///< 64: the runtime's
  int64_t workers;          ///< 72: how many there are, at least 1; only for how much a worker takes at a time
  const char *tables;       ///< 80: the weights from manifest "tables_at" on, where code reads them through this; else null
} GmStep;

typedef void (*GmEntry)(const GmStep *step);

/// Provided by the runtime, called by generated code between phases: returns once every worker has called it;
/// everything written before it is visible after it.
void gm_barrier(const GmStep *step);

/// Code for a GPU: one entry for one architecture, with one kernel, gm_<entry>, of one argument: the address
/// of a GmStep.
typedef struct GmImage {
  const char *entry; ///< "decode"
  const char *arch;  ///< "sm_90a"; of PTX the lowest architecture it can be compiled for
  uint32_t ptx;      ///< 1: PTX, a text that ends in 0; 0: a cubin
  uint32_t reserved; ///< 0
  const void *data;
  uint64_t size; ///< in bytes, of PTX with the 0
} GmImage;

/// What runs images. Each is a part of the runtime of its own (runtime/Device.h), that only programs which
/// name it are linked with.
typedef struct GmDevice GmDevice;
extern const GmDevice gm_cuda; ///< NVIDIA's driver

/// The code for one target. An entry a model does not need is absent from the manifest and null
/// here; for a GPU all functions are null.
typedef struct GmModel {
  uint64_t abi_version; ///< GM_ABI_VERSION
  const char *manifest; ///< JSON text, not null-terminated; fields below
  uint64_t manifest_size;
  GmEntry decode;          ///< rows == 1, logits of that row
  GmEntry prefill_none;    ///< no logits (inner chunks of a prompt)
  GmEntry prefill_last;    ///< logits of the last row
  GmEntry prefill_all;     ///< logits of every row
  GmEntry decode_top;      ///< rows == 1, the largest logits of that row and their ids
  GmEntry stream;          ///< reads the first `rows` blocks of the weights, claimed from the first counter; the
                           ///< sum of their words is added to those in the first vector of scratch
  GmEntry peaks[GM_PEAKS]; ///< as manifest "peaks": `rows` runs of a loop of products on the operands in
                           ///< scratch, f32 or pairs of bf16 in [1, 2); null where the target has fewer kinds
  uint64_t image_count;    ///< 0 for a CPU
  const GmImage *images;   ///< of every entry at least one; null for a CPU
  const GmDevice *device;  ///< what runs them; null for a CPU
} GmModel;

/// Provided by the generated object: one model for one or several targets, over one copy of the weights. The
/// runtime runs the first one whose features the machine has. Sizes, entries and features differ between
/// them; what the model is does not.
typedef struct GmModels {
  uint64_t count; ///< at least 1
  const GmModel *models;
} GmModels;
extern const GmModels gm_models;

#ifdef __cplusplus
}
#endif

/* The manifest, one for each target, JSON, written by codegen/Manifest.cpp and read by runtime/Model.cpp:
 * {
 *  "gemmac": "0.1.0", "name": "psalter", "family": "gemma4", "target": "cpu",
 *  "march": ["x86-64-v3"], "features": ["avx2","fma",..],      // all of these must be there, else exit 3
 *  "quantize": "q4", "compute": "int8", "kv": "bf16",
 *  "gpu": {"archs": ["sm_90a",..], "threads": 288, "shared_bytes": {"sm_90a": N,..}, "sha256": {"sm_90a": "..",..}},  // only of "target": "cuda": of a block; "march"
 *       // and "features" are then empty, and "scratch_bytes" is that of a block
 *  "emulates": {"arch": "sm_90a", "sha256": ".."},  // only of code for a GPU that runs on this CPU (--emulate), whose
 *       // blocks do not meet at the runtime's barriers. The hash is that of the gpu modules, as in "gpu"
 *  "tables_at": N,  // only where tables to gather from may lie elsewhere than the weights before this offset (--ple=host)
 *  "vocab": 4096, "hidden": 160, "layers": 12, "context": 4096, "max_batch": 1, "window": 64,
 *  "arena_bytes": N, "scratch_bytes": N, "counters": N,
 *  "entries": {"decode": {"rows": 1, "logits": OFFSET, "stride": FLOATS, "phases": N},
 *              "prefill_none": {"rows": 128, "phases": N}, "prefill_last": {..}, "prefill_all": {..}},
 *       // "logits": byte offset in the arena of f32 [rows or 1][stride], of which the first "vocab" count
 *       // "decode_top", optional: {"rows": 1, "logits": OFFSET, "ids": OFFSET, "stride": K, "phases": N}, f32 [K]
 *       // in descending order, ties by ascending id, and i32 [K]; minus infinity and -1 where there are no more
 *  "softcap": 30.0 | null,
 *  "bos": 2, "pad": 0, "placeholders": [2043,..],  // ids that embed as pad
 *  "eos": [1,106,50], "suppress": [], "has_template": true,
 *  "sampling": {"do_sample":true,"temperature":1.0,"top_k":64,"top_p":0.95,"min_p":0.0,"repeat_penalty":1.0},
 *  "parameters": N, "weight_bytes": N, "bytes_per_token": N,
 *  "fusions": ["norm",..], "glibc": "2.34", "notes": [..],
 *  "autotune": {"kernels": N, "choices": ["..: streams=4",..], "sha256": ".."},  // only of --autotune: kernels that
 *       // were measured, those that are not as the cost model has them, and a hash of all choices; "chunk": ROWS
 *       // where the rows of a prompt's step were measured, too
 *  "plan": {"activations": BYTES, "kv": BYTES, "scratch": BYTES,
 *           "caches": [{"name":..,"slots":..,"window":..,"bytes":..}]},
 *  "phases": [".."],      // of decode_top, or else decode, in order, one barrier after each; "layers.<n>.<kind>" in layers
 *  "phase_bytes": [..], "phase_flops": [..]   // optional, as long as "phases": bench --phases
 *  "phase_positions": [..]  // optional: 0, or of an attention the positions that its bytes and flops are for
 *  "phase_work": ["product","attention",..], "phase_tasks": [..]  // optional: for predicted times
 *  "prefill_phases", "prefill_phase_bytes", ..  // optional: the same of prefill_none, all its rows
 *  "prefill_last_phases", "prefill_all_phases"  // optional: names only
 *  "peaks": [{"kind": "int8", "flops": 1536}, ..],  // of one run of each of GmModel.peaks
 *  "decode_peak": "int8", "prefill_peak": "bf16-tiles"  // the kinds that products of one and of many rows
 * use
 * }
 */
