// The kernels, each for the types it is wanted in: one translation unit.
#include "common.cuh"

#define T float
#define TYPES f32
#include "copies.cu"
#include "elementwise.cu"
#include "sums.cu"
#include "optimiser.cu"
#define WHOLE true
#include "rows.cu"
#undef T
#undef TYPES
#undef WHOLE

#define T bf16
#define TYPES bf16
#include "copies.cu"
#include "elementwise.cu"
#include "sums.cu"
#define WHOLE true
#include "rows.cu"
#undef T
#undef TYPES
#undef WHOLE

#define S float
#define T float
#define TYPES f32_f32
#include "embedding.cu"
#undef T
#undef TYPES

#define T bf16
#define TYPES f32_bf16
#include "embedding.cu"
#undef S
#undef TYPES

#define S bf16
#define TYPES bf16_bf16
#include "embedding.cu"
#undef S
#undef T
#undef TYPES
