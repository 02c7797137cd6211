// All kernels, each for the types it is wanted in: one translation unit.
#include "common.cuh"

#define NAME_OF(name, types) name##_##types
#define NAME_IN(name, types) NAME_OF(name, types)
#define NAME(name) NAME_IN(name, TYPES)

#define T float
#define TYPES f32
#include "attention.cu"
#include "copies.cu"
#include "elementwise.cu"
#include "norm.cu"
#include "optimiser.cu"
#undef T
#undef TYPES

#define T bf16
#define TYPES bf16
#include "attention.cu"
#include "copies.cu"
#include "elementwise.cu"
#include "norm.cu"
#undef T
#undef TYPES

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
