// What all kernels share: numbers, warps, random bits, activation functions.
//
// A kernel is one function of a thread. Threads work together in warps only, by shuffles: there is no shared memory and
// no barrier, so the same source runs on a CPU, where ../emulator stands in for the device.
#pragma once

#ifdef VALUENET_EMULATED
#include "../emulator/emulator.h"
#else
#define KERNEL(name, ...) extern "C" __global__ void NAME(name)(__VA_ARGS__)
#define DEVICE __device__ __forceinline__
#endif

typedef unsigned int u32;
typedef unsigned long long u64;

constexpr u32 WARP = 32;
constexpr u32 ALL = 0xffffffffu;
constexpr u32 PARTS = 8; // numbers of a head that a lane may hold

// The number of this thread and of this warp among all.
#define THREAD (u64(blockIdx.x) * blockDim.x + threadIdx.x)
#define LANE (threadIdx.x % WARP)
#define WARP_NUMBER (THREAD / WARP)

// ---- numbers ----

// bfloat16: the upper half of a float, rounded to even.
struct bf16 {
    unsigned short bits;
};

DEVICE float to_float(float x) { return x; }

DEVICE float to_float(bf16 x) { return __uint_as_float(u32(x.bits) << 16); }

template <class T> DEVICE T from_float(float x);

template <> DEVICE float from_float<float>(float x) { return x; }

template <> DEVICE bf16 from_float<bf16>(float x) {
    const u32 bits = __float_as_uint(x);
    const bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
    return {(unsigned short)(is_nan ? (bits >> 16) | 0x40u : (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16)};
}

// ---- warps ----

DEVICE float warp_sum(float x) {
    for (u32 distance = WARP / 2; distance > 0; distance /= 2) x += __shfl_xor_sync(ALL, x, distance);
    return x;
}

DEVICE float warp_max(float x) {
    for (u32 distance = WARP / 2; distance > 0; distance /= 2) x = fmaxf(x, __shfl_xor_sync(ALL, x, distance));
    return x;
}

// ---- random bits: Philox 4x32-10, and the masks of ../../noise.rs, bit for bit ----

struct Words {
    u32 x[4];
};

DEVICE Words philox(u32 k0, u32 k1, u32 c0, u32 c1, u32 c2, u32 c3) {
    for (int round = 0; round < 10; round++) {
        const u32 high0 = __umulhi(0xd2511f53u, c0), low0 = 0xd2511f53u * c0;
        const u32 high1 = __umulhi(0xcd9e8d57u, c2), low1 = 0xcd9e8d57u * c2;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    return {{c0, c1, c2, c3}};
}

// What a kernel is told of a mask; `dropped` is 0 where nothing is dropped.
#define MASK u32 k0, u32 k1, u32 s0, u32 s1, u32 s2, u32 dropped, float scale
#define MASK_OF(position) mask_of(k0, k1, s0, s1, s2, dropped, scale, position)

struct Four {
    float x[4];
};

// The factors of the four numbers from `position` on, a multiple of four: 512 numbers share 64 blocks of random bits,
// the first half of them the lower bits of each word, the second half the upper bits.
DEVICE Four mask_of(MASK, u64 position) {
    if (dropped == 0) return {{1.0f, 1.0f, 1.0f, 1.0f}};
    const u32 chunk = u32(position / 512), word = u32(position % 256);
    const Words words = philox(k0, k1, chunk * 64 + word / 4, s0, s1, s2);
    const u32 shift = position % 512 < 256 ? 0 : 16;
    Four factors;
    for (int i = 0; i < 4; i++) factors.x[i] = ((words.x[i] >> shift) & 0xffffu) >= dropped ? scale : 0.0f;
    return factors;
}

// The factor of one number.
DEVICE float mask_at(MASK, u64 position) {
    const Four four = mask_of(k0, k1, s0, s1, s2, dropped, scale, position / 4 * 4);
    const u32 i = position % 4; // a fixed index keeps the four in registers
    return i == 0 ? four.x[0] : i == 1 ? four.x[1] : i == 2 ? four.x[2] : four.x[3];
}

// ---- activation functions, numbered as in ../activation.rs ----

DEVICE float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

constexpr float TANH_SCALE = 0.7978845608f; // sqrt(2 / pi)

DEVICE float activate(u32 kind, float x) {
    switch (kind) {
    case 1: return 0.5f * x * (1.0f + erff(x * 0.7071067812f));
    case 2: return x * sigmoid(2.0f * TANH_SCALE * x * (1.0f + 0.044715f * x * x));
    case 3: return fmaxf(x, 0.0f);
    case 4: return x * sigmoid(x);
    case 5: return tanhf(x);
    case 6: return 2.0f * sigmoid(x) - 1.0f;
    default: return x;
    }
}

DEVICE float slope(u32 kind, float x) {
    switch (kind) {
    case 1: return 0.5f * (1.0f + erff(x * 0.7071067812f)) + x * 0.3989422804f * expf(-0.5f * x * x);
    case 2: {
        const float s = sigmoid(2.0f * TANH_SCALE * x * (1.0f + 0.044715f * x * x));
        return s + 2.0f * x * s * (1.0f - s) * TANH_SCALE * (1.0f + 3.0f * 0.044715f * x * x);
    }
    case 3: return x > 0.0f ? 1.0f : 0.0f;
    case 4: {
        const float s = sigmoid(x);
        return s + x * s * (1.0f - s);
    }
    case 5: {
        const float y = tanhf(x);
        return 1.0f - y * y;
    }
    case 6: {
        const float s = sigmoid(x);
        return 2.0f * s * (1.0f - s);
    }
    default: return 1.0f;
    }
}
