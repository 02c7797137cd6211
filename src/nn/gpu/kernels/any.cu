// The kernels for rows that are not WHOLE, which few models have: a translation unit of its own, which a driver compiles only
// where it is needed.
#include "common.cuh"

#define WHOLE false
#define T float
#define TYPES f32_any
#include "rows.cu"
#undef T
#undef TYPES

#define T bf16
#define TYPES bf16_any
#include "rows.cu"
#undef T
#undef TYPES
#undef WHOLE
