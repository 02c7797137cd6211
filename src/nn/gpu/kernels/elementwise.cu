// Number by number. A thread has four numbers in a row, which share their random bits.

// The numbers from `at` on, zeros from n on.
DEVICE void NAME(load_at)(float *to, const T *x, u64 at, u64 n) {
    if (at + 4 <= n && u64(x) % (4 * sizeof(T)) == 0) return load_four(to, x + at);
    for (u32 i = 0; i < 4; i++) to[i] = at + i < n ? to_float(x[at + i]) : 0.0f;
}

DEVICE void NAME(store_at)(T *y, const float *from, u64 at, u64 n) {
    if (at + 4 <= n && u64(y) % (4 * sizeof(T)) == 0) return store_four(y + at, from);
    for (u32 i = 0; i < 4 && at + i < n; i++) y[at + i] = from_float<T>(from[i]);
}

// Adds to the numbers from `at` on what their columns add.
DEVICE void NAME(add_bias)(float *x, const float *bias, u64 at, u32 width) {
    u32 column = at >> 32 ? u32(at % width) : u32(at) % width;
    for (u32 i = 0; i < 4; i++) {
        x[i] += bias[column];
        column = column + 1 == width ? 0 : column + 1;
    }
}

// z += bias, and y = activation(z) unless the activation is none. Both are (rows, width), n numbers; y may be z.
KERNEL(bias_activate, T *z, T *y, const float *bias, u32 kind, u32 width, u64 n) {
    const u64 at = 4 * THREAD;
    if (at >= n) return;
    float x[4];
    NAME(load_at)(x, z, at, n);
    NAME(add_bias)(x, bias, at, width);
    NAME(store_at)(z, x, at, n);
    if (kind == 0) return;
    for (u32 i = 0; i < 4; i++) x[i] = activate(kind, to_float(from_float<T>(x[i])));
    NAME(store_at)(y, x, at, n);
}

// z = dropout(z + bias) + residual.
KERNEL(bias_residual, T *z, const float *bias, const T *residual, u32 width, u64 n, MASK) {
    const u64 at = 4 * THREAD;
    if (at >= n) return;
    const Four factors = MASK_OF(at);
    float x[4], added[4];
    NAME(load_at)(x, z, at, n);
    NAME(load_at)(added, residual, at, n);
    NAME(add_bias)(x, bias, at, width);
    for (u32 i = 0; i < 4; i++) x[i] = x[i] * factors.x[i] + added[i];
    NAME(store_at)(z, x, at, n);
}

// y = dropout(x).
KERNEL(dropout, T *y, const T *x, u64 n, MASK) {
    const u64 at = 4 * THREAD;
    if (at >= n) return;
    const Four factors = MASK_OF(at);
    float own[4];
    NAME(load_at)(own, x, at, n);
    for (u32 i = 0; i < 4; i++) own[i] *= factors.x[i];
    NAME(store_at)(y, own, at, n);
}

// y = activation(x).
KERNEL(activate, T *y, const T *x, u32 kind, u64 n) {
    const u64 at = 4 * THREAD;
    if (at >= n) return;
    float own[4];
    NAME(load_at)(own, x, at, n);
    for (u32 i = 0; i < 4; i++) own[i] = activate(kind, own[i]);
    NAME(store_at)(y, own, at, n);
}

// dx = activation'(x) dy.
KERNEL(activate_backward, T *dx, const T *x, const T *dy, u32 kind, u64 n) {
    const u64 at = 4 * THREAD;
    if (at >= n) return;
    float own[4], d[4];
    NAME(load_at)(own, x, at, n);
    NAME(load_at)(d, dy, at, n);
    for (u32 i = 0; i < 4; i++) d[i] *= slope(kind, own[i]);
    NAME(store_at)(dx, d, at, n);
}

// y = activation(a) b, where a row of x is a row of a and a row of b, `width` numbers each; y has n numbers.
KERNEL(gated, T *y, const T *x, u32 kind, u32 width, u64 n) {
    for (u64 i = 4 * THREAD; i < n && i < 4 * THREAD + 4; i++) {
        const u64 a = i / width * 2 * width + i % width;
        y[i] = from_float<T>(activate(kind, to_float(x[a])) * to_float(x[a + width]));
    }
}

KERNEL(gated_backward, T *dx, const T *x, const T *dy, u32 kind, u32 width, u64 n) {
    for (u64 i = 4 * THREAD; i < n && i < 4 * THREAD + 4; i++) {
        const u64 at = i / width * 2 * width + i % width;
        const float a = to_float(x[at]), b = to_float(x[at + width]), d = to_float(dy[i]);
        dx[at] = from_float<T>(slope(kind, a) * b * d);
        dx[at + width] = from_float<T>(activate(kind, a) * d);
    }
}

// Turns pairs of numbers of each head by an angle, as ../../rotary.rs says: a thread for each number of y, (rows, width).
KERNEL(rotary, T *y, const T *x, const u32 *positions, const float *cosines, const float *sines, u32 columns, u32 head,
       u32 width, float direction, u64 n) {
    const u64 i = THREAD;
    if (i >= n) return;
    const u32 column = u32(i % width), half = head / 2, place = column % head;
    if (column >= columns) {
        y[i] = x[i];
        return;
    }
    const u64 angle = u64(positions[i / width]) * half + place % half;
    const float cosine = cosines[angle], sine = direction * sines[angle], own = to_float(x[i]);
    const bool is_first = place < half;
    const float other = to_float(is_first ? x[i + half] : x[i - half]);
    y[i] = from_float<T>(is_first ? own * cosine - other * sine : own * cosine + other * sine);
}
