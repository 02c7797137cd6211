// From place to place.

// Four parts behind each other, of n0, n1, … numbers, as T.
KERNEL(stack, T *to, const float *part0, u64 n0, const float *part1, u64 n1, const float *part2, u64 n2, const float *part3,
       u64 n3) {
    for (u64 i = 4 * THREAD; i < n0 + n1 + n2 + n3 && i < 4 * THREAD + 4; i++) {
        u64 at = i;
        const float *part = part0;
        if (at >= n0) { at -= n0; part = part1;
            if (at >= n1) { at -= n1; part = part2;
                if (at >= n2) { at -= n2; part = part3; }
            }
        }
        to[i] = from_float<T>(part[at]);
    }
}

// Writes rows to their places in a table: `to` (entries, width) at `ids` (rows).
KERNEL(scatter, T *to, const T *rows, const u32 *ids, u32 count, u32 width) {
    const u64 i = THREAD;
    if (i / width < count) to[u64(ids[i / width]) * width + i % width] = rows[i];
}
