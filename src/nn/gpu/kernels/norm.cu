// Layer normalisation: a warp has a row of x, (rows, width).

// stats are the mean and one over the standard deviation of each row, (rows, 2).
KERNEL(norm, T *y, float *stats, const T *x, const float *weight, const float *bias, float eps, u32 rows, u32 width) {
    const u64 row = WARP_NUMBER;
    if (row >= rows) return;
    x += row * width;
    y += row * width;
    float sum = 0.0f;
    for (u32 i = LANE; i < width; i += WARP) sum += to_float(x[i]);
    const float mean = warp_sum(sum) / width;
    float squares = 0.0f;
    for (u32 i = LANE; i < width; i += WARP) {
        const float centred = to_float(x[i]) - mean;
        squares += centred * centred;
    }
    const float scale = 1.0f / sqrtf(warp_sum(squares) / width + eps);
    for (u32 i = LANE; i < width; i += WARP) {
        y[i] = from_float<T>((to_float(x[i]) - mean) * scale * weight[i] + bias[i]);
    }
    if (LANE == 0) {
        stats[2 * row] = mean;
        stats[2 * row + 1] = scale;
    }
}

KERNEL(norm_backward, T *dx, const T *dy, const T *x, const float *weight, const float *stats, u32 rows, u32 width) {
    const u64 row = WARP_NUMBER;
    if (row >= rows) return;
    x += row * width;
    dx += row * width;
    dy += row * width;
    const float mean = stats[2 * row], scale = stats[2 * row + 1];
    float sum = 0.0f, product = 0.0f;
    for (u32 i = LANE; i < width; i += WARP) {
        const float d = to_float(dy[i]) * weight[i];
        sum += d;
        product += d * (to_float(x[i]) - mean) * scale;
    }
    sum = warp_sum(sum) / width;
    product = warp_sum(product) / width;
    for (u32 i = LANE; i < width; i += WARP) {
        const float normal = (to_float(x[i]) - mean) * scale;
        dx[i] = from_float<T>(scale * (to_float(dy[i]) * weight[i] - sum - normal * product));
    }
}

// The gradients of weight and bias, side by side, from `chunk` rows each: partial is (chunks, 2 width).
KERNEL(norm_columns, float *partial, const T *dy, const T *x, const float *stats, u32 rows, u32 width, u32 chunk) {
    const u64 i = THREAD;
    const u32 column = u32(i % width), first = u32(i / width) * chunk;
    if (first >= rows) return;
    float of_weight = 0.0f, of_bias = 0.0f;
    for (u32 row = first; row < rows && row < first + chunk; row++) {
        const float d = to_float(dy[u64(row) * width + column]);
        of_weight += d * (to_float(x[u64(row) * width + column]) - stats[2 * row]) * stats[2 * row + 1];
        of_bias += d;
    }
    partial[i / width * 2 * width + column] = of_weight;
    partial[i / width * 2 * width + width + column] = of_bias;
}
