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
#define PRAGMA(text) _Pragma(#text)
#define UNROLL(times) PRAGMA(unroll times)
template <class V> DEVICE V read(const void *from) { return *static_cast<const V *>(from); }
template <class V> DEVICE void write(void *to, V values) { *static_cast<V *>(to) = values; }
#endif

#define NAME_OF(name, types) name##_##types
#define NAME_IN(name, types) NAME_OF(name, types)
#define NAME(name) NAME_IN(name, TYPES)

typedef unsigned int u32;
typedef unsigned long long u64;

constexpr u32 WARP = 32;
constexpr u32 ALL = 0xffffffffu;
constexpr u32 NORM_TILE = 4 * 8 * WARP; // numbers of a row that a warp holds in registers, 32 a lane

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

// Two bfloat16 in one word, the first in its lower half.
DEVICE u32 pair(float first, float second) {
    return from_float<bf16>(first).bits | u32(from_float<bf16>(second).bits) << 16;
}

// Four numbers side by side, at a multiple of their size.
DEVICE void load_four(float *to, const float *from) {
    const uint4 x = read<uint4>(from);
    to[0] = __uint_as_float(x.x), to[1] = __uint_as_float(x.y), to[2] = __uint_as_float(x.z), to[3] = __uint_as_float(x.w);
}

DEVICE void load_four(float *to, const bf16 *from) {
    const uint2 x = read<uint2>(from);
    to[0] = __uint_as_float(x.x << 16), to[1] = __uint_as_float(x.x & 0xffff0000u);
    to[2] = __uint_as_float(x.y << 16), to[3] = __uint_as_float(x.y & 0xffff0000u);
}

DEVICE void store_four(float *to, const float *from) {
    write(to, uint4{__float_as_uint(from[0]), __float_as_uint(from[1]), __float_as_uint(from[2]), __float_as_uint(from[3])});
}

DEVICE void store_four(bf16 *to, const float *from) { write(to, uint2{pair(from[0], from[1]), pair(from[2], from[3])}); }

// The numbers from `column` on, a multiple of eight, of a row of `width`: eight of them, or zeros beyond its end.
template <bool WHOLE> DEVICE void load_eight(float *to, const float *row, u32 column, u32 width) {
    if (WHOLE) {
        const uint4 none = {}, first = column < width ? read<uint4>(row + column) : none;
        const uint4 second = column < width ? read<uint4>(row + column + 4) : none;
        const u32 words[8] = {first.x, first.y, first.z, first.w, second.x, second.y, second.z, second.w};
        for (int i = 0; i < 8; i++) to[i] = __uint_as_float(words[i]);
    } else {
        for (u32 i = 0; i < 8; i++) to[i] = column + i < width ? row[column + i] : 0.0f;
    }
}

template <bool WHOLE> DEVICE void load_eight(float *to, const bf16 *row, u32 column, u32 width) {
    if (WHOLE) {
        const uint4 none = {}, eight = column < width ? read<uint4>(row + column) : none;
        const u32 words[4] = {eight.x, eight.y, eight.z, eight.w};
        for (int i = 0; i < 4; i++) {
            to[2 * i] = __uint_as_float(words[i] << 16);
            to[2 * i + 1] = __uint_as_float(words[i] & 0xffff0000u);
        }
    } else {
        for (u32 i = 0; i < 8; i++) to[i] = column + i < width ? to_float(row[column + i]) : 0.0f;
    }
}

DEVICE void store_whole(float *to, const float *from) {
    store_four(to, from);
    store_four(to + 4, from + 4);
}

DEVICE void store_whole(bf16 *to, const float *from) {
    write(to, uint4{pair(from[0], from[1]), pair(from[2], from[3]), pair(from[4], from[5]), pair(from[6], from[7])});
}

template <bool WHOLE, class T> DEVICE void store_eight(T *row, const float *from, u32 column, u32 width) {
    if (WHOLE) {
        if (column < width) store_whole(row + column, from);
    } else {
        for (u32 i = 0; i < 8 && column + i < width; i++) row[column + i] = from_float<T>(from[i]);
    }
}

// ---- warps ----

// How many lanes read a row of so many numbers, eight each: a power of two.
DEVICE u32 lanes_of(u32 width) {
    u32 lanes = 1;
    while (lanes * 8 < width) lanes *= 2;
    return lanes;
}

DEVICE bool warp_any(bool is_so) { return __any_sync(ALL, is_so); }

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
