// Layer normalisation: a warp has a row of x, (rows, width), and holds as much of it as it can in registers.

// The lane's numbers of a tile: four times eight, zeros beyond the row.
DEVICE void NAME(load_tile)(float (*to)[8], const T *row, u32 first, u32 width) {
    UNROLL(4)
    for (u32 part = 0; part < 4; part++) load_eight<WHOLE>(to[part], row, first + part * 256 + LANE * 8, width);
}

// stats are the mean and one over the standard deviation of each row, (rows, 2).
KERNEL(norm, T *y, float *stats, const T *x, const float *weight, const float *bias, float eps, u32 rows, u32 width) {
    const u64 row = WARP_NUMBER;
    if (row >= rows) return;
    x += row * width;
    y += row * width;
    float own[4][8], sum = 0.0f, squares = 0.0f;
    for (u32 first = 0; first < width; first += NORM_TILE) {
        NAME(load_tile)(own, x, first, width);
        UNROLL(4)
        for (u32 part = 0; part < 4; part++) {
            for (u32 i = 0; i < 8; i++) sum += own[part][i];
        }
    }
    const float mean = warp_sum(sum) / width;
    for (u32 first = 0; first < width; first += NORM_TILE) {
        if (width > NORM_TILE) NAME(load_tile)(own, x, first, width);
        UNROLL(4)
        for (u32 part = 0; part < 4; part++) {
            const u32 column = first + part * 256 + LANE * 8;
            for (u32 i = 0; i < 8; i++) {
                const float centred = column + i < width ? own[part][i] - mean : 0.0f;
                squares += centred * centred;
            }
        }
    }
    const float scale = 1.0f / sqrtf(warp_sum(squares) / width + eps);
    for (u32 first = 0; first < width; first += NORM_TILE) {
        if (width > NORM_TILE) NAME(load_tile)(own, x, first, width);
        UNROLL(4)
        for (u32 part = 0; part < 4; part++) {
            const u32 column = first + part * 256 + LANE * 8;
            float weights[8], biases[8];
            load_eight<WHOLE>(weights, weight, column, width);
            load_eight<WHOLE>(biases, bias, column, width);
            for (u32 i = 0; i < 8; i++) own[part][i] = (own[part][i] - mean) * scale * weights[i] + biases[i];
            store_eight<WHOLE>(y, own[part], column, width);
        }
    }
    if (LANE == 0) {
        stats[2 * row] = mean;
        stats[2 * row + 1] = scale;
    }
}

// Those of the normalised row, and of its gradient.
DEVICE void NAME(load_weighted)(float (*normal)[8], float (*d)[8], const T *x, const T *dy, const float *weight, float mean,
                                float scale, u32 first, u32 width) {
    NAME(load_tile)(normal, x, first, width);
    NAME(load_tile)(d, dy, first, width);
    UNROLL(4)
    for (u32 part = 0; part < 4; part++) {
        float weights[8];
        load_eight<WHOLE>(weights, weight, first + part * 256 + LANE * 8, width);
        for (u32 i = 0; i < 8; i++) {
            normal[part][i] = (normal[part][i] - mean) * scale;
            d[part][i] *= weights[i];
        }
    }
}

KERNEL(norm_backward, T *dx, const T *dy, const T *x, const float *weight, const float *stats, u32 rows, u32 width) {
    const u64 row = WARP_NUMBER;
    if (row >= rows) return;
    x += row * width;
    dx += row * width;
    dy += row * width;
    const float mean = stats[2 * row], scale = stats[2 * row + 1];
    float normal[4][8], d[4][8], sum = 0.0f, product = 0.0f;
    for (u32 first = 0; first < width; first += NORM_TILE) {
        NAME(load_weighted)(normal, d, x, dy, weight, mean, scale, first, width);
        UNROLL(4)
        for (u32 part = 0; part < 4; part++) {
            for (u32 i = 0; i < 8; i++) {
                sum += d[part][i];
                product += d[part][i] * normal[part][i];
            }
        }
    }
    sum = warp_sum(sum) / width;
    product = warp_sum(product) / width;
    for (u32 first = 0; first < width; first += NORM_TILE) {
        if (width > NORM_TILE) NAME(load_weighted)(normal, d, x, dy, weight, mean, scale, first, width);
        UNROLL(4)
        for (u32 part = 0; part < 4; part++) {
            for (u32 i = 0; i < 8; i++) d[part][i] = scale * (d[part][i] - sum - normal[part][i] * product);
            store_eight<WHOLE>(dx, d[part], first + part * 256 + LANE * 8, width);
        }
    }
}
