// Gradients and parameters, which are f32 whatever the activations are: the whole optimiser step in one pass.
//
// `table` has six numbers for each of `count` tensors: the addresses of parameter, mean, square and gradient, how many
// numbers it has, and two f32: what it keeps of itself, and its rate. `firsts` (count + 1) says at which chunk of 8,192 numbers each begins among all.

constexpr u64 OPTIMISER_CHUNK = 8192;

struct Tensors {
    float *parameter, *mean, *square;
    const float *gradient;
    u64 first, end;
    float keep, rate;
};

// The part of a tensor that chunk number `chunk` is.
DEVICE Tensors tensors_of(const u64 *table, const u32 *firsts, u32 count, u32 chunk) {
    u32 low = 0, high = count; // firsts[low] <= chunk < firsts[high]
    while (high - low > 1) {
        const u32 middle = (low + high) / 2;
        if (firsts[middle] <= chunk) low = middle;
        else high = middle;
    }
    const u64 *row = table + 6 * u64(low);
    const u64 first = (chunk - firsts[low]) * OPTIMISER_CHUNK, end = first + OPTIMISER_CHUNK;
    const float *factors = (const float *)(row + 5);
    return {(float *)row[0], (float *)row[1], (float *)row[2], (const float *)row[3],
            first,           end < row[4] ? end : row[4], factors[0], factors[1]};
}

// The sum of squares of the gradients in each chunk.
KERNEL(squares, float *sums, const u64 *table, const u32 *firsts, u32 count) {
    const u64 chunk = WARP_NUMBER;
    if (chunk >= firsts[count]) return;
    const Tensors t = tensors_of(table, firsts, count, u32(chunk));
    float sum = 0.0f;
    UNROLL(4)
    for (u64 i = t.first + 4 * LANE; i < t.end; i += 4 * WARP) {
        float own[4];
        NAME(load_at)(own, t.gradient, i, t.end);
        for (u32 part = 0; part < 4; part++) sum += own[part] * own[part];
    }
    sum = warp_sum(sum);
    if (LANE == 0) sums[chunk] = sum;
}

// The root of the sum of all: one warp.
KERNEL(root_of_sum, float *root, const float *sums, u32 count) {
    double sum = 0.0;
    UNROLL(8)
    for (u32 i = LANE; i < count; i += WARP) sum += sums[i];
    for (u32 distance = WARP / 2; distance > 0; distance /= 2) sum += __shfl_xor_sync(ALL, sum, distance);
    if (LANE == 0) *root = float(sqrt(sum));
}

// AdamW, on gradients clipped to `max_norm` (0: not clipped); nothing moves if their norm is not finite.
KERNEL(adamw, const u64 *table, const u32 *firsts, u32 count, const float *norm, float max_norm, float beta1, float beta2,
       float epsilon, float square_correction) {
    const u64 chunk = WARP_NUMBER;
    if (chunk >= firsts[count] || !isfinite(*norm)) return;
    const Tensors t = tensors_of(table, firsts, count, u32(chunk));
    const float scale = max_norm > 0.0f && *norm > max_norm ? max_norm / (*norm + 1e-6f) : 1.0f;
    for (u64 i = t.first + 4 * LANE; i < t.end; i += 4 * WARP) {
        float parameter[4], mean[4], square[4], gradient[4];
        NAME(load_at)(parameter, t.parameter, i, t.end);
        NAME(load_at)(mean, t.mean, i, t.end);
        NAME(load_at)(square, t.square, i, t.end);
        NAME(load_at)(gradient, t.gradient, i, t.end);
        for (u32 part = 0; part < 4; part++) {
            const float own = gradient[part] * scale;
            mean[part] = beta1 * mean[part] + (1.0f - beta1) * own;
            square[part] = beta2 * square[part] + (1.0f - beta2) * own * own;
            const float divisor = sqrtf(square[part]) * square_correction + epsilon;
            parameter[part] = parameter[part] * t.keep - t.rate * mean[part] / divisor;
        }
        NAME(store_at)(t.mean, mean, i, t.end);
        NAME(store_at)(t.square, square, i, t.end);
        NAME(store_at)(t.parameter, parameter, i, t.end);
    }
}
