// Attention on packed rows without a matrix of probabilities: they are computed anew from their logarithmic sum.
//
// Queries are columns 0 .. hidden of rows `q_stride` wide; keys and values begin at `k` and `v` in rows `kv_stride` wide.
// `sequences` holds where each of `count` sequences begins among the queries (count + 1) and the keys (count + 1), and
// where its mask begins, in units of 512 (count). A lane holds numbers lane, lane + 32, … of a head's `width`, 256 at most.

struct NAME(Place) {
    u32 first_query, queries, first_key, keys;
    u64 mask;
};

// The sequence that has this row; `side` is 0 for rows of queries and 1 for those of keys.
DEVICE NAME(Place) NAME(find)(const u32 *sequences, u32 count, u32 side, u32 row) {
    const u32 *offsets = sequences + side * (count + 1);
    u32 low = 0, high = count; // offsets[low] <= row < offsets[high]
    while (high - low > 1) {
        const u32 middle = (low + high) / 2;
        if (offsets[middle] <= row) low = middle;
        else high = middle;
    }
    const u32 *q = sequences + low, *k = q + count + 1;
    return {q[0], q[1] - q[0], k[0], k[1] - k[0], u64(sequences[2 * count + 2 + low]) * 512};
}

// Whether a query may see a key, as ../../attention/mask.rs says: all (0), those near (1), those before (2), or a text and of
// the `reach` pairs behind it its own (3).
DEVICE bool NAME(sees)(u32 visible, u32 reach, const NAME(Place) &s, u32 query, u32 key) {
    switch (visible) {
    case 1: return key <= query + reach && query <= key + reach;
    case 2: return key + s.queries <= query + s.keys;
    case 3: {
        const u32 text = s.keys - 2 * reach;
        const u32 pair = s.queries == s.keys ? (query - text) / 2 : query;
        return key < text || ((s.queries != s.keys || query >= text) && (key - text) / 2 == pair);
    }
    default: return true;
    }
}

DEVICE void NAME(load)(float *parts, const T *row, u32 width) {
    for (u32 e = 0; e < PARTS; e++) parts[e] = LANE + e * WARP < width ? to_float(row[LANE + e * WARP]) : 0.0f;
}

DEVICE void NAME(store)(T *row, const float *parts, float scale, u32 width) {
    for (u32 e = 0; e < PARTS; e++) {
        if (LANE + e * WARP < width) row[LANE + e * WARP] = from_float<T>(parts[e] * scale);
    }
}

// The scalar product of the row that the warp's lanes hold in parts with a row of each lane's own.
DEVICE float NAME(dot)(const float *parts, const T *row, u32 width) {
    float sum = 0.0f;
    for (u32 e = 0; e < PARTS; e++) {
        for (u32 i = 0; i < WARP && e * WARP + i < width; i++) {
            const float shared = __shfl_sync(ALL, parts[e], i);
            sum += row ? shared * to_float(row[e * WARP + i]) : 0.0f;
        }
    }
    return sum;
}

// parts += Σ factor_i row_i over the rows of `count` lanes, the first of which is `rows`.
DEVICE void NAME(add_rows)(float *parts, float factor, const T *rows, u32 stride, u32 count, u32 width) {
    for (u32 i = 0; i < count; i++) {
        const float own = __shfl_sync(ALL, factor, i);
        const T *row = rows + u64(i) * stride;
        for (u32 e = 0; e < PARTS; e++) {
            if (LANE + e * WARP < width) parts[e] += own * to_float(row[LANE + e * WARP]);
        }
    }
}

#define SEQUENCES const u32 *sequences, u32 count, u32 visible, u32 reach
#define HEADS u32 heads, u32 width, u32 q_stride, u32 kv_stride, float score_scale

// A warp has a query of a head. y is (query rows, heads width); log_sums is (query rows, heads).
KERNEL(attention, T *y, float *log_sums, const T *q, const T *k, const T *v, u32 query_rows, SEQUENCES, HEADS, MASK) {
    const u32 row = u32(WARP_NUMBER / heads), head = u32(WARP_NUMBER % heads);
    if (row >= query_rows) return;
    const NAME(Place) s = NAME(find)(sequences, count, 0, row);
    const u32 query = row - s.first_query;
    k += u64(s.first_key) * kv_stride + head * width;
    v += u64(s.first_key) * kv_stride + head * width;
    const u64 mask = s.mask + (u64(head) * s.queries + query) * s.keys;
    float own[PARTS], context[PARTS] = {};
    NAME(load)(own, q + u64(row) * q_stride + head * width, width);
    float largest = -INFINITY, sum = 0.0f;
    for (u32 first = 0; first < s.keys; first += WARP) {
        const u32 key = first + LANE;
        const bool seen = key < s.keys && NAME(sees)(visible, reach, s, query, key);
        const float product = NAME(dot)(own, seen ? k + u64(key) * kv_stride : nullptr, width);
        const float score = seen ? product * score_scale : -INFINITY;
        const float now = fmaxf(largest, warp_max(score));
        if (now == -INFINITY) continue;
        const float correction = expf(largest - now), p = seen ? expf(score - now) : 0.0f;
        largest = now;
        sum = sum * correction + warp_sum(p);
        for (u32 e = 0; e < PARTS; e++) context[e] *= correction;
        const float kept = seen ? p * mask_at(k0, k1, s0, s1, s2, dropped, scale, mask + key) : 0.0f;
        const u32 rows = s.keys - first < WARP ? s.keys - first : WARP;
        NAME(add_rows)(context, kept, v + u64(first) * kv_stride, kv_stride, rows, width);
    }
    NAME(store)(y + u64(row) * heads * width + head * width, context, 1.0f / sum, width);
    if (LANE == 0) log_sums[u64(row) * heads + head] = largest + logf(sum);
}

// A warp has a query of a head: its gradient, and products = Σ dy y, (query rows, heads), for attention_backward_keys.
KERNEL(attention_backward_queries, T *dq, float *products, const T *dy, const T *y, const float *log_sums, const T *q,
       const T *k, const T *v, u32 query_rows, SEQUENCES, HEADS, MASK) {
    const u32 row = u32(WARP_NUMBER / heads), head = u32(WARP_NUMBER % heads);
    if (row >= query_rows) return;
    const NAME(Place) s = NAME(find)(sequences, count, 0, row);
    const u32 query = row - s.first_query;
    k += u64(s.first_key) * kv_stride + head * width;
    v += u64(s.first_key) * kv_stride + head * width;
    const u64 mask = s.mask + (u64(head) * s.queries + query) * s.keys;
    const u64 place = u64(row) * heads + head;
    float own[PARTS], of_y[PARTS], of_q[PARTS] = {};
    NAME(load)(own, y + place * width, width);
    NAME(load)(of_y, dy + place * width, width);
    float product = 0.0f;
    for (u32 e = 0; e < PARTS; e++) product += own[e] * of_y[e];
    product = warp_sum(product);
    NAME(load)(own, q + u64(row) * q_stride + head * width, width);
    const float log_sum = log_sums[place];
    for (u32 first = 0; first < s.keys; first += WARP) {
        const u32 key = first + LANE;
        const bool seen = key < s.keys && NAME(sees)(visible, reach, s, query, key);
        const u64 at = u64(key) * kv_stride;
        const float score = NAME(dot)(own, seen ? k + at : nullptr, width) * score_scale;
        const float of_kept = NAME(dot)(of_y, seen ? v + at : nullptr, width);
        const float factor = seen ? mask_at(k0, k1, s0, s1, s2, dropped, scale, mask + key) : 0.0f;
        const float of_score = seen ? expf(score - log_sum) * (of_kept * factor - product) * score_scale : 0.0f;
        const u32 rows = s.keys - first < WARP ? s.keys - first : WARP;
        NAME(add_rows)(of_q, of_score, k + u64(first) * kv_stride, kv_stride, rows, width);
    }
    NAME(store)(dq + u64(row) * q_stride + head * width, of_q, 1.0f, width);
    if (LANE == 0) products[place] = product;
}

// A warp has a key of a head: the gradients of key and value, in rows as wide as those of k and v.
KERNEL(attention_backward_keys, T *dk, T *dv, const float *products, const T *dy, const float *log_sums, const T *q,
       const T *k, const T *v, u32 key_rows, SEQUENCES, HEADS, MASK) {
    const u32 row = u32(WARP_NUMBER / heads), head = u32(WARP_NUMBER % heads);
    if (row >= key_rows) return;
    const NAME(Place) s = NAME(find)(sequences, count, 1, row);
    const u32 key = row - s.first_key, hidden = heads * width;
    const u64 at = u64(row) * kv_stride + head * width;
    q += u64(s.first_query) * q_stride + head * width;
    dy += u64(s.first_query) * hidden + head * width;
    float own_k[PARTS], own_v[PARTS], of_k[PARTS] = {}, of_v[PARTS] = {};
    NAME(load)(own_k, k + at, width);
    NAME(load)(own_v, v + at, width);
    for (u32 first = 0; first < s.queries; first += WARP) {
        const u32 query = first + LANE;
        const bool seen = query < s.queries && NAME(sees)(visible, reach, s, query, key);
        const float score = NAME(dot)(own_k, seen ? q + u64(query) * q_stride : nullptr, width) * score_scale;
        const float of_kept = NAME(dot)(own_v, seen ? dy + u64(query) * hidden : nullptr, width);
        const u64 place = u64(s.first_query + (seen ? query : 0)) * heads + head;
        const u64 mask = s.mask + (u64(head) * s.queries + query) * s.keys + key;
        const float factor = seen ? mask_at(k0, k1, s0, s1, s2, dropped, scale, mask) : 0.0f;
        const float p = seen ? expf(score - log_sums[place]) : 0.0f;
        const float of_score = seen ? p * (of_kept * factor - products[place]) * score_scale : 0.0f;
        const u32 rows = s.queries - first < WARP ? s.queries - first : WARP;
        NAME(add_rows)(of_k, of_score, q + u64(first) * q_stride, q_stride, rows, width);
        NAME(add_rows)(of_v, p * factor, dy + u64(first) * hidden, hidden, rows, width);
    }
    NAME(store)(dk + at, of_k, 1.0f, width);
    NAME(store)(dv + at, of_v, 1.0f, width);
}

#undef SEQUENCES
#undef HEADS
