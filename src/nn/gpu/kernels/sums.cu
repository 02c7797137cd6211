// Sums over rows. A warp has 32 columns of a chunk of rows, and writes their sums to partial, (chunks, width); the warp that
// comes last for its columns adds up those of all chunks, in their order, so that nothing depends on who it was.

// Writes the sum over the chunks to `to` if this is the last of their warps, which `counter` counts; it is zero before and
// after.
DEVICE void NAME(add_chunks)(float *to, const float *partial, u32 *counter, u32 chunks, u32 stride, bool is_column) {
    __threadfence();
    __syncwarp();
    u32 before = LANE == 0 ? atomicAdd(counter, 1u) : 0u;
    before = __shfl_sync(ALL, before, 0);
    if (before + 1 < chunks) return;
    if (LANE == 0) *counter = 0;
    __threadfence();
    if (!is_column) return;
    float sum = 0.0f;
    UNROLL(8)
    for (u32 chunk = 0; chunk < chunks; chunk++) sum += __ldcg(partial + u64(chunk) * stride);
    *to = sum;
}

// sums = the sums of x, (rows, width).
KERNEL(column_sums, float *sums, float *partial, u32 *counters, const T *x, u32 rows, u32 width, u32 chunk) {
    const u32 groups = (width + WARP - 1) / WARP, chunks = (rows + chunk - 1) / chunk;
    const u32 part = u32(WARP_NUMBER / groups), group = u32(WARP_NUMBER % groups), column = group * WARP + LANE;
    if (part >= chunks) return;
    const u32 first = part * chunk, end = first + chunk < rows ? first + chunk : rows;
    const bool is_column = column < width;
    const T *own = x + (is_column ? column : 0);
    float sum = 0.0f;
    UNROLL(8)
    for (u32 row = first; row < end; row++) sum += to_float(own[u64(row) * width]);
    if (is_column) partial[u64(part) * width + column] = sum;
    NAME(add_chunks)(sums + column, partial + column, counters + group, chunks, width, is_column);
}

// The gradients of a norm's weight and bias, side by side: sums is (2 width), partial (chunks, 2 width).
KERNEL(norm_sums, float *sums, float *partial, u32 *counters, const T *dy, const T *x, const float *stats, u32 rows, u32 width,
       u32 chunk) {
    const u32 groups = (width + WARP - 1) / WARP, chunks = (rows + chunk - 1) / chunk;
    const u32 part = u32(WARP_NUMBER / groups), group = u32(WARP_NUMBER % groups), column = group * WARP + LANE;
    if (part >= chunks) return;
    const u32 first = part * chunk, end = first + chunk < rows ? first + chunk : rows;
    const bool is_column = column < width;
    const u32 own = is_column ? column : 0;
    float of_weight = 0.0f, of_bias = 0.0f;
    UNROLL(8)
    for (u32 row = first; row < end; row++) {
        const float d = to_float(dy[u64(row) * width + own]);
        of_weight += d * (to_float(x[u64(row) * width + own]) - stats[2 * row]) * stats[2 * row + 1];
        of_bias += d;
    }
    if (is_column) {
        partial[u64(part) * 2 * width + column] = of_weight;
        partial[(u64(part) * 2 + 1) * width + column] = of_bias;
    }
    u32 *own_counters = counters + 2 * group;
    NAME(add_chunks)(sums + column, partial + column, own_counters, chunks, 2 * width, is_column);
    NAME(add_chunks)(sums + width + column, partial + width + column, own_counters + 1, chunks, 2 * width, is_column);
}
