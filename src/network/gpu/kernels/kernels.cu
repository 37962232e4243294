// The kernels by name. `ptx.py` compiles this file; `emulate.cpp` includes it.
#include "conv.cuh"

// Grid: one block a channel. Sums of `rows` blocks become the norm's a and b (biased variance, epsilon 1e-5).
struct NormArgs {
    u64 sums;    // floats `[row][pitch][sum, sum of squares]`
    u64 weight;  // floats `[channels]`
    u64 bias;
    u64 scale;   // floats `[2][channels]`
    int rows;
    int pitch;
    int channels;
    int voxels;
};

KERNEL(norm, NormArgs) {
    __shared__ double shared[2][THREADS];
    const int channel = blockIdx.x, thread = threadIdx.x;
    double sum = 0, square = 0;
    for (int row = thread; row < args.rows; row += THREADS) {
        const float* place = (const float*)args.sums + 2 * ((long long)row * args.pitch + channel);
        sum += place[0];
        square += place[1];
    }
    shared[0][thread] = sum;
    shared[1][thread] = square;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (thread < half) {
            shared[0][thread] += shared[0][thread + half];
            shared[1][thread] += shared[1][thread + half];
        }
    }
    if (thread == 0) {
        const double mean = shared[0][0] / args.voxels;
        double variance = shared[1][0] / args.voxels - mean * mean;
        // Rounding may bring a constant channel's variance below zero; NaN stays NaN.
        if (variance < 0) variance = 0;
        const double a = ((const float*)args.weight)[channel] / sqrt(variance + 1e-5);
        float* scale = (float*)args.scale;
        scale[channel] = (float)a;
        scale[args.channels + channel] = (float)(((const float*)args.bias)[channel] - mean * a);
    }
}

// name, form, columns / 8, end
#define CONVS(X)                                                                            \
    X(same_16, SAME, 2, STORE) X(same_32, SAME, 4, STORE) X(same_64, SAME, 8, STORE)         \
    X(half_16, HALF, 2, STORE) X(half_32, HALF, 4, STORE) X(half_64, HALF, 8, STORE)         \
    X(double_16, DOUBLE, 2, STORE) X(double_32, DOUBLE, 4, STORE) X(double_64, DOUBLE, 8, STORE) \
    X(join_16, POINT, 2, JOIN) X(join_32, POINT, 4, JOIN) X(join_64, POINT, 8, JOIN)         \
    X(count_16, DOUBLE, 2, COUNT) X(head_16, DOUBLE, 2, HEAD)

#define CONV(name, form, n, end) \
    KERNEL(name, Args) { conv<form, n, end>(args); }
CONVS(CONV)
