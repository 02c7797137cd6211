// Number by number. A thread has four numbers in a row, which share their random bits.

// z += bias, and y = activation(z) unless the activation is none. Both are (rows, width), n numbers; y may be z.
KERNEL(bias_activate, T *z, T *y, const float *bias, u32 kind, u32 width, u64 n) {
    for (u64 i = 4 * THREAD; i < n && i < 4 * THREAD + 4; i++) {
        const float x = to_float(z[i]) + bias[i % width];
        z[i] = from_float<T>(x);
        if (kind != 0) y[i] = from_float<T>(activate(kind, to_float(z[i])));
    }
}

// z = dropout(z + bias) + residual.
KERNEL(bias_residual, T *z, const float *bias, const T *residual, u32 width, u64 n, MASK) {
    const u64 first = 4 * THREAD;
    if (first >= n) return;
    const Four factors = MASK_OF(first);
    for (int i = 0; i < 4; i++) {
        if (first + i >= n) return;
        const float x = (to_float(z[first + i]) + bias[(first + i) % width]) * factors.x[i];
        z[first + i] = from_float<T>(x + to_float(residual[first + i]));
    }
}

// y = dropout(x).
KERNEL(dropout, T *y, const T *x, u64 n, MASK) {
    const u64 first = 4 * THREAD;
    if (first >= n) return;
    const Four factors = MASK_OF(first);
    for (int i = 0; i < 4; i++) {
        if (first + i >= n) return;
        y[first + i] = from_float<T>(to_float(x[first + i]) * factors.x[i]);
    }
}

// y = activation(x).
KERNEL(activate, T *y, const T *x, u32 kind, u64 n) {
    for (u64 i = 4 * THREAD; i < n && i < 4 * THREAD + 4; i++) y[i] = from_float<T>(activate(kind, to_float(x[i])));
}

// dx = activation'(x) dy.
KERNEL(activate_backward, T *dx, const T *x, const T *dy, u32 kind, u64 n) {
    for (u64 i = 4 * THREAD; i < n && i < 4 * THREAD + 4; i++) {
        dx[i] = from_float<T>(slope(kind, to_float(x[i])) * to_float(dy[i]));
    }
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

// The sums of `chunk` rows each of x, (rows, width): partial is (chunks, width). A thread has one column of one chunk.
KERNEL(column_sums, float *partial, const T *x, u32 rows, u32 width, u32 chunk) {
    const u64 i = THREAD;
    const u32 column = u32(i % width), first = u32(i / width) * chunk;
    if (first >= rows) return;
    float sum = 0.0f;
    for (u32 row = first; row < rows && row < first + chunk; row++) sum += to_float(x[u64(row) * width + column]);
    partial[i] = sum;
}
