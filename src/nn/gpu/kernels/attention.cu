// Attention on packed rows without a matrix of probabilities: they are computed anew from their logarithmic sum.
//
// Queries are columns 0 .. hidden of rows `q_stride` wide; keys and values begin at `k` and `v` in rows `kv_stride` wide.
// `sequences` holds where each of `count` sequences begins among the queries (count + 1) and the keys (count + 1), where its
// mask begins, in units of 512 (count), and then in which sequence each query and each key is. A warp reads rows of a head's
// `width`, 256 at most, side by side: a power of two of `lanes` a row, eight numbers a lane, so that all lanes together read
// whole lines of memory.

struct NAME(Place) {
    u32 first_query, queries, first_key, keys;
    u64 mask;
};

// The sequence with this number.
DEVICE NAME(Place) NAME(place)(const u32 *sequences, u32 count, u32 number) {
    const u32 *q = sequences + number, *k = q + count + 1;
    return {q[0], q[1] - q[0], k[0], k[1] - k[0], u64(sequences[2 * count + 2 + number]) * 512};
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

// The lane's eight numbers of a row, zeros beyond its width.
DEVICE void NAME(load)(float *parts, const T *row, u32 width, u32 lanes) {
    load_eight<WHOLE>(parts, row, LANE % lanes * 8, width);
}

// Writes a row of which each group of lanes has a share in parts.
DEVICE void NAME(store)(T *row, float *parts, float scale, u32 width, u32 lanes) {
    for (u32 e = 0; e < 8; e++) {
        for (u32 distance = lanes; distance < WARP; distance *= 2) parts[e] += __shfl_xor_sync(ALL, parts[e], distance);
        parts[e] *= scale;
    }
    if (LANE < lanes) store_eight<WHOLE>(row, parts, LANE * 8, width);
}

// The sum over the lanes that have a row.
DEVICE float NAME(row_sum)(float x, u32 lanes) {
    for (u32 distance = lanes / 2; distance > 0; distance /= 2) x += __shfl_xor_sync(ALL, x, distance);
    return x;
}

// Lane i gets the scalar product of the row in parts with row i of `count`, 32 at most; other lanes get anything.
DEVICE float NAME(products)(const float *parts, const T *rows, u32 stride, u32 count, u32 width, u32 lanes) {
    const u32 together = WARP / lanes;
    float own = 0.0f;
    UNROLL(4)
    for (u32 first = 0; first < count; first += together) {
        const u32 row = first + LANE / lanes;
        float x[8], sum = 0.0f;
        NAME(load)(x, rows + u64(row < count ? row : 0) * stride, width, lanes);
        for (u32 e = 0; e < 8; e++) sum += parts[e] * x[e];
        const float found = __shfl_sync(ALL, NAME(row_sum)(sum, lanes), LANE % together * lanes);
        if (LANE / together == first / together) own = found;
    }
    return own;
}

// The same of two rows with rows of their own, whose loads and shuffles are under way at the same time.
DEVICE void NAME(products_of_two)(float *found, const float *parts_a, const T *rows_a, u32 stride_a, const float *parts_b,
                                  const T *rows_b, u32 stride_b, u32 count, u32 width, u32 lanes) {
    const u32 together = WARP / lanes;
    found[0] = found[1] = 0.0f;
    UNROLL(2)
    for (u32 first = 0; first < count; first += together) {
        const u32 row = first + LANE / lanes, own = row < count ? row : 0;
        float a[8], b[8], of_a = 0.0f, of_b = 0.0f;
        NAME(load)(a, rows_a + u64(own) * stride_a, width, lanes);
        NAME(load)(b, rows_b + u64(own) * stride_b, width, lanes);
        for (u32 e = 0; e < 8; e++) of_a += parts_a[e] * a[e], of_b += parts_b[e] * b[e];
        of_a = __shfl_sync(ALL, NAME(row_sum)(of_a, lanes), LANE % together * lanes);
        of_b = __shfl_sync(ALL, NAME(row_sum)(of_b, lanes), LANE % together * lanes);
        if (LANE / together == first / together) found[0] = of_a, found[1] = of_b;
    }
}

// parts += Σ factor_i row_i over `count` rows, 32 at most, whose factors the lanes have, those beyond them 0; each group of
// lanes takes its share.
DEVICE void NAME(add_rows)(float *parts, float factor, const T *rows, u32 stride, u32 count, u32 width, u32 lanes) {
    UNROLL(4)
    for (u32 first = 0; first < count; first += WARP / lanes) {
        const u32 row = first + LANE / lanes;
        const float own = __shfl_sync(ALL, factor, row);
        float x[8];
        NAME(load)(x, rows + u64(row < count ? row : 0) * stride, width, lanes);
        for (u32 e = 0; e < 8; e++) parts[e] += own * x[e];
    }
}

#define SEQUENCES const u32 *sequences, u32 count, u32 visible, u32 reach
#define HEADS u32 heads, u32 width, u32 q_stride, u32 kv_stride, float score_scale

// A warp has a query of a head. y is (query rows, heads width); log_sums is (query rows, heads).
KERNEL(attention, T *y, float *log_sums, const T *q, const T *k, const T *v, u32 query_rows, SEQUENCES, HEADS, MASK) {
    const u32 row = u32(WARP_NUMBER / heads), head = u32(WARP_NUMBER % heads), lanes = lanes_of(width);
    if (row >= query_rows) return;
    const NAME(Place) s = NAME(place)(sequences, count, sequences[3 * count + 2 + row]);
    const u32 query = row - s.first_query;
    k += u64(s.first_key) * kv_stride + head * width;
    v += u64(s.first_key) * kv_stride + head * width;
    const u64 mask = s.mask + (u64(head) * s.queries + query) * s.keys;
    float own[8], context[8] = {};
    NAME(load)(own, q + u64(row) * q_stride + head * width, width, lanes);
    float largest = -INFINITY, sum = 0.0f;
    for (u32 first = 0; first < s.keys; first += WARP) {
        const u32 key = first + LANE, rows = s.keys - first < WARP ? s.keys - first : WARP;
        const bool seen = key < s.keys && NAME(sees)(visible, reach, s, query, key);
        if (!warp_any(seen)) continue;
        const u64 at = u64(first) * kv_stride;
        const float product = NAME(products)(own, k + at, kv_stride, rows, width, lanes);
        const float score = seen ? product * score_scale : -INFINITY;
        const float now = fmaxf(largest, warp_max(score));
        const float correction = expf(largest - now), p = seen ? expf(score - now) : 0.0f;
        largest = now;
        sum = sum * correction + warp_sum(p);
        for (u32 e = 0; e < 8; e++) context[e] *= correction;
        const float kept = seen ? p * mask_at(k0, k1, s0, s1, s2, dropped, scale, mask + key) : 0.0f;
        NAME(add_rows)(context, kept, v + at, kv_stride, rows, width, lanes);
    }
    NAME(store)(y + u64(row) * heads * width + head * width, context, 1.0f / sum, width, lanes);
    if (LANE == 0) log_sums[u64(row) * heads + head] = largest + logf(sum);
}

// A warp has a query of a head: its gradient, and products = Σ dy y, (query rows, heads), for attention_backward_keys.
KERNEL(attention_backward_queries, T *dq, float *products, const T *dy, const T *y, const float *log_sums, const T *q,
       const T *k, const T *v, u32 query_rows, SEQUENCES, HEADS, MASK) {
    const u32 row = u32(WARP_NUMBER / heads), head = u32(WARP_NUMBER % heads), lanes = lanes_of(width);
    if (row >= query_rows) return;
    const NAME(Place) s = NAME(place)(sequences, count, sequences[3 * count + 2 + row]);
    const u32 query = row - s.first_query;
    k += u64(s.first_key) * kv_stride + head * width;
    v += u64(s.first_key) * kv_stride + head * width;
    const u64 mask = s.mask + (u64(head) * s.queries + query) * s.keys;
    const u64 place = u64(row) * heads + head;
    float own[8], of_y[8], of_q[8] = {};
    NAME(load)(own, y + place * width, width, lanes);
    NAME(load)(of_y, dy + place * width, width, lanes);
    float product = 0.0f;
    for (u32 e = 0; e < 8; e++) product += own[e] * of_y[e];
    product = NAME(row_sum)(product, lanes);
    NAME(load)(own, q + u64(row) * q_stride + head * width, width, lanes);
    const float log_sum = log_sums[place];
    for (u32 first = 0; first < s.keys; first += WARP) {
        const u32 key = first + LANE, rows = s.keys - first < WARP ? s.keys - first : WARP;
        const bool seen = key < s.keys && NAME(sees)(visible, reach, s, query, key);
        if (!warp_any(seen)) continue;
        const u64 at = u64(first) * kv_stride;
        float found[2];
        NAME(products_of_two)(found, own, k + at, kv_stride, of_y, v + at, kv_stride, rows, width, lanes);
        const float p = expf(found[0] * score_scale - log_sum);
        const float factor = seen ? mask_at(k0, k1, s0, s1, s2, dropped, scale, mask + key) : 0.0f;
        const float of_score = seen ? p * (found[1] * factor - product) * score_scale : 0.0f;
        NAME(add_rows)(of_q, of_score, k + at, kv_stride, rows, width, lanes);
    }
    NAME(store)(dq + u64(row) * q_stride + head * width, of_q, 1.0f, width, lanes);
    if (LANE == 0) products[place] = product;
}

// A warp has a key of a head: the gradients of key and value, in rows as wide as those of k and v.
KERNEL(attention_backward_keys, T *dk, T *dv, const float *products, const T *dy, const float *log_sums, const T *q,
       const T *k, const T *v, u32 key_rows, SEQUENCES, HEADS, MASK) {
    const u32 row = u32(WARP_NUMBER / heads), head = u32(WARP_NUMBER % heads), lanes = lanes_of(width);
    if (row >= key_rows) return;
    const u32 number = sequences[3 * count + 2 + sequences[count] + row];
    const NAME(Place) s = NAME(place)(sequences, count, number);
    const u32 key = row - s.first_key, hidden = heads * width;
    const u64 at = u64(row) * kv_stride + head * width;
    q += u64(s.first_query) * q_stride + head * width;
    dy += u64(s.first_query) * hidden + head * width;
    float own_k[8], own_v[8], of_k[8] = {}, of_v[8] = {};
    NAME(load)(own_k, k + at, width, lanes);
    NAME(load)(own_v, v + at, width, lanes);
    for (u32 first = 0; first < s.queries; first += WARP) {
        const u32 query = first + LANE, rows = s.queries - first < WARP ? s.queries - first : WARP;
        const bool seen = query < s.queries && NAME(sees)(visible, reach, s, query, key);
        if (!warp_any(seen)) continue;
        const T *queries = q + u64(first) * q_stride, *of_y = dy + u64(first) * hidden;
        const u64 place = u64(s.first_query + (seen ? query : 0)) * heads + head;
        const float log_sum = log_sums[place], product = products[place];
        float found[2];
        NAME(products_of_two)(found, own_k, queries, q_stride, own_v, of_y, hidden, rows, width, lanes);
        const u64 mask = s.mask + (u64(head) * s.queries + query) * s.keys + key;
        const float factor = seen ? mask_at(k0, k1, s0, s1, s2, dropped, scale, mask) : 0.0f;
        const float p = seen ? expf(found[0] * score_scale - log_sum) : 0.0f;
        const float of_score = seen ? p * (found[1] * factor - product) * score_scale : 0.0f;
        NAME(add_rows)(of_k, of_score, queries, q_stride, rows, width, lanes);
        NAME(add_rows)(of_v, p * factor, of_y, hidden, rows, width, lanes);
    }
    NAME(store)(dk + at, of_k, 1.0f, width, lanes);
    NAME(store)(dv + at, of_v, 1.0f, width, lanes);
}

#undef SEQUENCES
#undef HEADS
