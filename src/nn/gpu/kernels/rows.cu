// What reads rows eight numbers at a time: if the rows are WHOLE, each is a multiple of eight numbers, and begins at a multiple
// of 16 bytes since tensors do. Where they are not, the same is done number by number.
#include "attention.cu"
#include "norm.cu"
