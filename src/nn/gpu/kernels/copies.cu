// From place to place.

// The place of number `at` of parts behind each other.
DEVICE const float *NAME(place_in)(u64 at, const float *part0, u64 n0, const float *part1, u64 n1, const float *part2, u64 n2,
                                   const float *part3) {
    if (at < n0) return part0 + at;
    at -= n0;
    if (at < n1) return part1 + at;
    at -= n1;
    return at < n2 ? part2 + at : part3 + (at - n2);
}

// Four parts behind each other, of n0, n1, … numbers, as T. A thread has four numbers.
KERNEL(stack, T *to, const float *part0, u64 n0, const float *part1, u64 n1, const float *part2, u64 n2, const float *part3,
       u64 n3) {
    const u64 at = 4 * THREAD, n = n0 + n1 + n2 + n3;
    if (at >= n) return;
    const u64 sizes = n0 | n1 | n2 | n3 | (u64(to) | u64(part0) | u64(part1) | u64(part2) | u64(part3)) / 4;
    float own[4];
    if (sizes % 4 == 0) {
        load_four(own, NAME(place_in)(at, part0, n0, part1, n1, part2, n2, part3));
        return store_four(to + at, own);
    }
    for (u64 i = at; i < n && i < at + 4; i++) {
        to[i] = from_float<T>(*NAME(place_in)(i, part0, n0, part1, n1, part2, n2, part3));
    }
}

// Writes rows to their places in a table: `to` (entries, width) at `ids` (rows).
KERNEL(scatter, T *to, const T *rows, const u32 *ids, u32 count, u32 width) {
    const u64 i = THREAD;
    if (i / width < count) to[u64(ids[i / width]) * width + i % width] = rows[i];
}
