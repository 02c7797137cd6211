// CUDA's words on a CPU: a warp's 32 threads are fibers that run in turns from shuffle to shuffle.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <tuple>
#include <utility>

#define DEVICE inline
#define UNROLL(times)

struct Index {
    unsigned x;
};
extern Index threadIdx, blockIdx, blockDim;

using std::isfinite;

static inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned((uint64_t(a) * b) >> 32); }

static inline unsigned __float_as_uint(float x) {
    unsigned bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float __uint_as_float(unsigned bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

struct alignas(8) uint2 {
    unsigned x, y;
};

struct alignas(16) uint4 {
    unsigned x, y, z, w;
};

// A device reads and writes several numbers at once only at multiples of their size.
template <class V> void check_alignment(const void *place) {
    if (uintptr_t(place) % sizeof(V) != 0) abort();
}

template <class V> V read(const void *from) {
    check_alignment<V>(from);
    V values;
    memcpy(&values, from, sizeof values);
    return values;
}

template <class V> void write(void *to, V values) {
    check_alignment<V>(to);
    memcpy(to, &values, sizeof values);
}

// What lane `from` brings to this shuffle, for which all 32 lanes meet.
double exchange(double own, unsigned from);

template <class N> N __shfl_sync(unsigned, N x, unsigned from) { return N(exchange(double(x), from)); }

template <class N> N __shfl_xor_sync(unsigned, N x, unsigned distance) {
    return N(exchange(double(x), (threadIdx.x % 32) ^ distance));
}

static inline bool __any_sync(unsigned, bool own) {
    for (unsigned distance = 16; distance > 0; distance /= 2) own |= exchange(own, (threadIdx.x % 32) ^ distance) != 0;
    return own;
}

// Warps run one after the other.
static inline void __threadfence() {}

static inline void __syncwarp() { exchange(0.0, 0); }

static inline unsigned atomicAdd(unsigned *to, unsigned more) {
    const unsigned before = *to;
    *to += more;
    return before;
}

static inline float __ldcg(const float *from) { return *from; }

// A kernel under its name, called with the addresses of its arguments as cuLaunchKernel does.
struct Registered {
    using Call = void (*)(void (*)(), void **);

    template <class... A> Registered(const char *name, void (*kernel)(A...)) {
        enter(name, reinterpret_cast<void (*)()>(kernel), [](void (*kernel)(), void **arguments) {
            call(reinterpret_cast<void (*)(A...)>(kernel), arguments, std::index_sequence_for<A...>());
        });
    }

    template <class... A, size_t... I>
    static void call(void (*kernel)(A...), void **arguments, std::index_sequence<I...>) {
        kernel(*static_cast<A *>(arguments[I])...);
    }

    static void enter(const char *name, void (*kernel)(), Call call);
};

#define STRING_OF(name) #name
#define STRING_IN(name) STRING_OF(name)
#define REGISTER_OF(name) registered_##name
#define REGISTER_IN(name) REGISTER_OF(name)
#define KERNEL(name, ...)                                                                                              \
    void NAME(name)(__VA_ARGS__);                                                                                      \
    static const Registered REGISTER_IN(NAME(name))(STRING_IN(NAME(name)), NAME(name));                                \
    void NAME(name)(__VA_ARGS__)
