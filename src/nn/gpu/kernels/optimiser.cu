// Gradients and parameters, which are f32 whatever the activations are: sums, and the whole optimiser step in one pass.
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
    for (u64 i = t.first + LANE; i < t.end; i += WARP) sum += t.gradient[i] * t.gradient[i];
    sum = warp_sum(sum);
    if (LANE == 0) sums[chunk] = sum;
}

// The root of the sum of all: one warp.
KERNEL(root_of_sum, float *root, const float *sums, u32 count) {
    double sum = 0.0;
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
    for (u64 i = t.first + LANE; i < t.end; i += WARP) {
        const float gradient = t.gradient[i] * scale;
        const float mean = beta1 * t.mean[i] + (1.0f - beta1) * gradient;
        const float square = beta2 * t.square[i] + (1.0f - beta2) * gradient * gradient;
        const float divisor = sqrtf(square) * square_correction + epsilon;
        t.mean[i] = mean;
        t.square[i] = square;
        t.parameter[i] = t.parameter[i] * t.keep - t.rate * mean / divisor;
    }
}

// The sums over the chunks of partial, (chunks, width).
KERNEL(sum_partials, float *sums, const float *partial, u32 chunks, u32 width) {
    const u64 column = THREAD;
    if (column >= width) return;
    float sum = 0.0f;
    for (u32 chunk = 0; chunk < chunks; chunk++) sum += partial[u64(chunk) * width + column];
    sums[column] = sum;
}
