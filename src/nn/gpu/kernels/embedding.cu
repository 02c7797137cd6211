// Rows of tables of S, to rows of T.

// y = scale table0[ids0] + table1[ids1] + table2[ids2]; ids are (tables, rows), and an absent table is null.
KERNEL(lookup, T *y, const S *table0, const S *table1, const S *table2, const u32 *ids, float scale, u32 rows, u32 width) {
    const u64 i = THREAD;
    const u32 row = u32(i / width), column = u32(i % width);
    if (row >= rows) return;
    float sum = scale * to_float(table0[u64(ids[row]) * width + column]);
    if (table1) sum += to_float(table1[u64(ids[rows + row]) * width + column]);
    if (table2) sum += to_float(table2[u64(ids[2 * rows + row]) * width + column]);
    y[i] = from_float<T>(sum);
}

// The gradient of a table's used rows, (used, width): `order` lists the rows of dy by the table's row that they came from,
// and used row i has those from starts[i] to starts[i + 1].
KERNEL(lookup_backward, S *of_rows, const T *dy, const u32 *order, const u32 *starts, float scale, u32 used, u32 width) {
    const u64 i = THREAD;
    const u32 row = u32(i / width), column = u32(i % width);
    if (row >= used) return;
    float sum = 0.0f;
    UNROLL(8)
    for (u32 place = starts[row]; place < starts[row + 1]; place++) sum += to_float(dy[u64(order[place]) * width + column]);
    of_rows[i] = from_float<S>(scale * sum);
}
