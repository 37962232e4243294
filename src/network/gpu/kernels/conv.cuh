// Convolutions as matrix products on tensor cores: rows are output voxels, columns output channels, the sum runs over
// taps and input channels. One template; `kernels.cu` names its instances.
//
// A block of 4 warps makes a brick of 4x4x8 voxels (z, y, x) of 16, 32 or 64 channels; a warp has one slice of it. The
// input comes in chunks of 16 channels: the brick and its halo go to shared memory once, normalised and activated on
// the way, and every tap reads them there. Filters come straight from global memory, each lane its own 16 bytes: all
// warps of an SM read the same ones at about the same time, so they come from its cache.
//
// A k4 s2 convolution is eight phases of 2x2x2 taps on its input (a phase counts as channels), a transposed one eight
// phases of 2x2x2 taps on its output. So there are two shapes of halo and every tap moves by whole voxels.
//
// What is summed in which order depends on the sizes alone, and nothing is added atomically: same input, same bits.
#pragma once
#include "machine.cuh"

// One input of a layer, `[z][y][x][channel]`.
struct Source {
    u64 data;   // halves; floats where the input of the network is read
    u64 scale;  // floats `[2][channels]`: the layer sees leaky(a x + b); 0: it sees x
    int channels;
    int size[3];
};

struct Args {
    Source source[2];
    u64 weights;  // halves `[output phase][chunk][tap][pair of 8 columns][lane][8]`, and one more tap
    u64 target;   // halves `[z][y][x][channel]`; the answer's floats for HEAD
    u64 sums;     // floats `[block][column][sum, sum of squares]`
    u64 scale;    // as in Source: the target's for JOIN, the last norm's for HEAD
    u64 bias;     // floats: a bias a channel for JOIN; the head's 16 weights and its bias for HEAD
    int sources;
    int single;   // the one source is the network's input: one float a voxel
    int positions[3];
    int out[3];   // size of the target
    int channels;
    int pairs;    // columns / 16
    int logits;   // HEAD: no sigmoid
    int unused;
};

enum Form { SAME, HALF, DOUBLE, POINT };
// What becomes of the sums of products. STORE: stored raw, with sums for the norm. COUNT: sums for the norm alone.
// HEAD: norm, activation, head and sigmoid. JOIN: added to the normalised, activated target.
enum End { STORE, COUNT, HEAD, JOIN };

const int WARPS = 4, THREADS = 32 * WARPS;
const int BRICK_Z = 4, BRICK_Y = 4, BRICK_X = 8;
// Bytes from one voxel of 16 halves to the next in shared memory: eight neighbours lie in different banks.
const int PITCH = 48;

template <int FORM, int END>
struct Shape {
    static constexpr int TAPS = FORM == SAME ? 27 : FORM == POINT ? 1 : 8;
    // Taps that follow each other along x.
    static constexpr int RUN = FORM == SAME ? 3 : FORM == POINT ? 1 : 2;
    // A block that makes all eight phases of a transposed convolution keeps the halo of all of them.
    static constexpr bool ALL_PHASES = FORM == DOUBLE && (END == COUNT || END == HEAD);
    static constexpr int HALO = FORM == POINT ? 0 : FORM == SAME || ALL_PHASES ? 2 : 1;
    static constexpr int Z = BRICK_Z + HALO, Y = BRICK_Y + HALO, X = BRICK_X + HALO;
    static constexpr int VOXELS = Z * Y * X;
    // Phases of the input that a chunk is seen through.
    static constexpr int IN_PHASES = FORM == HALF ? 8 : 1;
    // Voxel of the halo from which a run of taps starts.
    static __device__ int run_start(int run) {
        return FORM == SAME ? (run / 3 * Y + run % 3) * X : (run / 2 * Y + run % 2) * X;
    }
};

__device__ inline float leaky(float v) { return fmaxf(v, 0.01f * v); }

// leaky(a x + b) of two halves.
__device__ inline u32 activated(u32 halves, const float* a, const float* b) {
    float low = leaky(fmaf(a[0], widen((u16)(halves & 0xffff)), b[0]));
    float high = leaky(fmaf(a[1], widen((u16)(halves >> 16)), b[1]));
    return narrow(low, high);
}

// One chunk with its halo into shared memory: zeros outside, after norm and activation.
// Voxel (z, y, x) of the halo is voxel step (z + origin) + shift of the source.
template <class S>
__device__ void load_chunk(unsigned char* shared, const Source& source, int first, const int (&origin)[3], int step,
                           const int (&shift)[3]) {
    // A thread always has the same eight channels.
    const int part = threadIdx.x & 1;
    const int eight = first / 8 + part, eights = source.channels / 8;
    const bool present = eight < eights;
    const float* scale = (const float*)source.scale;
    float a[8], b[8];
    if (scale && present)
        for (int i = 0; i < 8; i++) {
            a[i] = scale[8 * eight + i];
            b[i] = scale[source.channels + 8 * eight + i];
        }
    const uint4* data = (const uint4*)source.data;
#pragma unroll 2
    for (int at = threadIdx.x / 2; at < S::VOXELS; at += THREADS / 2) {
        const int z = step * (at / (S::Y * S::X) + origin[0]) + shift[0];
        const int y = step * (at / S::X % S::Y + origin[1]) + shift[1];
        const int x = step * (at % S::X + origin[2]) + shift[2];
        uint4 value = {0, 0, 0, 0};
        if (present && z >= 0 && y >= 0 && x >= 0 && z < source.size[0] && y < source.size[1] && x < source.size[2]) {
            value = data[(long long)((z * source.size[1] + y) * source.size[2] + x) * eights + eight];
            if (scale) {
                value.x = activated(value.x, a, b);
                value.y = activated(value.y, a + 2, b + 2);
                value.z = activated(value.z, a + 4, b + 4);
                value.w = activated(value.w, a + 6, b + 6);
            }
        }
        *(uint4*)(shared + at * PITCH + part * 16) = value;
    }
}

// The same of the network's input. A strided layer sees its eight phases as the first eight channels, another layer
// the one voxel as the first channel; the others are zero.
template <class S>
__device__ void load_input(unsigned char* shared, const Source& source, const int (&origin)[3]) {
    const float* data = (const float*)source.data;
    const int step = S::IN_PHASES == 8 ? 2 : 1, shift = S::IN_PHASES == 8 ? -1 : 0;
#pragma unroll 1
    for (int at = threadIdx.x; at < S::VOXELS; at += THREADS) {
        const int place[3] = {step * (at / (S::Y * S::X) + origin[0]) + shift,
                              step * (at / S::X % S::Y + origin[1]) + shift, step * (at % S::X + origin[2]) + shift};
        float seen[8] = {};
        for (int phase = 0; phase < S::IN_PHASES; phase++) {
            const int z = place[0] + (phase >> 2), y = place[1] + (phase >> 1 & 1), x = place[2] + (phase & 1);
            if (z >= 0 && y >= 0 && x >= 0 && z < source.size[0] && y < source.size[1] && x < source.size[2])
                seen[phase] = data[(z * source.size[1] + y) * source.size[2] + x];
        }
        uint4 value = {narrow(seen[0], seen[1]), narrow(seen[2], seen[3]), narrow(seen[4], seen[5]),
                       narrow(seen[6], seen[7])};
        *(uint4*)(shared + at * PITCH) = value;
        *(uint4*)(shared + at * PITCH + 16) = uint4{0, 0, 0, 0};
    }
}

// All taps of one chunk: sums of 32 voxels (two tiles of 16) times 8 N channels. `filters` is this lane's place in the
// first tap, `next` what it holds; both move on by the taps that were used.
template <class S, int N>
__device__ void all_taps(float (&sum)[2][N][4], const unsigned char* rows, const uint4*& filters, uint4 (&next)[N / 2],
                         int stride) {
    // Rows 8 to 15 of a tile are the next line of voxels, the second tile is two lines on.
    const int tile = 2 * S::X * PITCH;
#pragma unroll 1
    for (int run = 0; run < S::TAPS / S::RUN; run++) {
        const unsigned char* from = rows + S::run_start(run) * PITCH;
#pragma unroll
        for (int tap = 0; tap < S::RUN; tap++) {
            uint4 b[N / 2];
            filters += stride;
#pragma unroll
            for (int pair = 0; pair < N / 2; pair++) {
                b[pair] = next[pair];
                next[pair] = filters[32 * pair];
            }
#pragma unroll
            for (int half = 0; half < 2; half++) {
                u32 a[4];
                load_tile(a, from + half * tile + tap * PITCH);
#pragma unroll
                for (int pair = 0; pair < N / 2; pair++) {
                    multiply(sum[half][2 * pair], a, b[pair].x, b[pair].y);
                    multiply(sum[half][2 * pair + 1], a, b[pair].z, b[pair].w);
                }
            }
        }
    }
}

// Sums of all blocks' voxels for the norm: over the lanes that have the same channels, then over the warps, in order.
template <int N>
__device__ void write_sums(const Args& args, const float (&sum)[N][2], const float (&square)[N][2],
                           float (*shared)[8 * N][2]) {
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
#pragma unroll
    for (int n = 0; n < N; n++)
#pragma unroll
        for (int i = 0; i < 2; i++) {
            float s = sum[n][i], q = square[n][i];
            for (int mask = 4; mask < 32; mask *= 2) {
                s += from_lane(s, mask);
                q += from_lane(q, mask);
            }
            if (lane < 4) {
                shared[warp][8 * n + 2 * lane + i][0] = s;
                shared[warp][8 * n + 2 * lane + i][1] = q;
            }
        }
    __syncthreads();
    if (threadIdx.x < 8 * N) {
        float s = 0, q = 0;
        for (int w = 0; w < WARPS; w++) {
            s += shared[w][threadIdx.x][0];
            q += shared[w][threadIdx.x][1];
        }
        const long long block = (long long)blockIdx.z * gridDim.x + blockIdx.x;
        float* place = (float*)args.sums + 2 * (block * 16 * args.pairs + 8 * N * blockIdx.y + threadIdx.x);
        place[0] = s;
        place[1] = q;
    }
}

// Element (half, n, 2 low + i) of a lane's sums is voxel lane / 4 of line 2 half + low in the warp's slice, channel
// 8 n + 2 (lane % 4) + i of the block's columns.
struct Place {
    int z, y, x;
    __device__ Place(const int (&at)[3], int half, int low)
        : z(at[0] + (threadIdx.x >> 5)), y(at[1] + 2 * half + low), x(at[2] + (threadIdx.x >> 2 & 7)) {}
    __device__ bool inside(const int (&size)[3]) const { return z < size[0] && y < size[1] && x < size[2]; }
    __device__ long long in(const int (&size)[3]) const { return ((long long)z * size[1] + y) * size[2] + x; }
};

// Sums for the norm, of the voxels that are there.
template <int N>
__device__ void add_sums(const Args& args, const float (&sum)[2][N][4], const int (&at)[3], float (&sums)[N][2],
                         float (&squares)[N][2]) {
#pragma unroll
    for (int row = 0; row < 4; row++) {
        if (!Place(at, row / 2, row % 2).inside(args.positions)) continue;
#pragma unroll
        for (int n = 0; n < N; n++)
#pragma unroll
            for (int i = 0; i < 2; i++) {
                const float v = sum[row / 2][n][2 * (row % 2) + i];
                sums[n][i] += v;
                squares[n][i] = fmaf(v, v, squares[n][i]);
            }
    }
}

// Adds bias and leaky(a c + b), c the target as it was stored.
template <int N>
__device__ void join(const Args& args, float (&sum)[2][N][4], const int (&at)[3]) {
    const float *bias = (const float*)args.bias, *scale = (const float*)args.scale;
#pragma unroll
    for (int row = 0; row < 4; row++) {
        const Place place(at, row / 2, row % 2);
        if (!place.inside(args.positions)) continue;
        const u32* target = (const u32*)args.target + place.in(args.out) * args.channels / 2;
#pragma unroll
        for (int n = 0; n < N; n++) {
            const int channel = 8 * (N * blockIdx.y + n) + 2 * (threadIdx.x & 3);
            if (channel >= args.channels) continue;
            const u32 body = target[channel / 2];
#pragma unroll
            for (int i = 0; i < 2; i++) {
                const float raw = widen((u16)(i == 0 ? body & 0xffff : body >> 16));
                const float c = leaky(fmaf(scale[channel + i], raw, scale[args.channels + channel + i]));
                sum[row / 2][n][2 * (row % 2) + i] += bias[channel + i] + c;
            }
        }
    }
}

// The norm, the activation, the head over all channels and the sigmoid: one float a voxel of the answer.
template <int N>
__device__ void write_answer(const Args& args, const float (&sum)[2][N][4], const int (&at)[3], const int (&bit)[3]) {
    const float *scale = (const float*)args.scale, *head = (const float*)args.bias;
    const int lane = threadIdx.x & 31;
#pragma unroll
    for (int row = 0; row < 4; row++) {
        const Place place(at, row / 2, row % 2);
        float logit = 0;
        // Where an odd size leaves a plane without a voxel, the head sees zeros.
        if (place.inside(args.source[0].size))
#pragma unroll
            for (int n = 0; n < N; n++)
#pragma unroll
                for (int i = 0; i < 2; i++) {
                    const int channel = 8 * n + 2 * (lane & 3) + i;
                    const float v = sum[row / 2][n][2 * (row % 2) + i];
                    logit = fmaf(head[channel], leaky(fmaf(scale[channel], v, scale[8 * N + channel])), logit);
                }
        logit += from_lane(logit, 1);
        logit += from_lane(logit, 2);
        const int z = 2 * place.z + bit[0], y = 2 * place.y + bit[1], x = 2 * place.x + bit[2];
        logit += head[8 * N];
        if ((lane & 3) == 0 && z < args.out[0] && y < args.out[1] && x < args.out[2])
            ((float*)args.target)[((long long)z * args.out[1] + y) * args.out[2] + x] =
                args.logits ? logit : 1.0f / (1.0f + expf(-logit));
    }
}

// Rows that wait in shared memory are so far apart that eight of them lie in different banks.
template <int N>
struct Staged {
    static constexpr int PITCH = 16 * N + 16;
};

// The sums as halves to the target, through shared memory: 16 bytes a lane. Each warp has its own slice.
template <int FORM, int N>
__device__ void store(const Args& args, const float (&sum)[2][N][4], const int (&at)[3], const int (&bit)[3],
                      unsigned char* shared) {
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    unsigned char* slice = shared + 32 * warp * Staged<N>::PITCH;
#pragma unroll
    for (int row = 0; row < 4; row++)
#pragma unroll
        for (int n = 0; n < N; n++) {
            const float* v = sum[row / 2][n] + 2 * (row % 2);
            *(u32*)(slice + (8 * row + (lane >> 2)) * Staged<N>::PITCH + 16 * n + 4 * (lane & 3)) = narrow(v[0], v[1]);
        }
    __syncwarp();
    const int eights = args.channels / 8, times = FORM == DOUBLE ? 2 : 1;
    uint4* target = (uint4*)args.target;
    const int z = at[0] + warp;
#pragma unroll 2
    for (int i = lane; i < 32 * N; i += 32) {
        const int row = i / N, eight = N * blockIdx.y + i % N, y = at[1] + row / 8, x = at[2] + row % 8;
        if (z >= args.positions[0] || y >= args.positions[1] || x >= args.positions[2] || eight >= eights) continue;
        const long long line = (long long)(times * z + bit[0]) * args.out[1] + times * y + bit[1];
        const long long voxel = line * args.out[2] + times * x + bit[2];
        target[voxel * eights + eight] = *(const uint4*)(slice + row * Staged<N>::PITCH + 16 * (i % N));
    }
}

// One block: 8 N output channels of one brick. Grid: bricks, columns / 8 N, output phases (or 1 with all of them).
template <int FORM, int N, int END>
__device__ void conv(const Args& args) {
    typedef Shape<FORM, END> S;
    constexpr int STAGED = THREADS * Staged<N>::PITCH;
    constexpr int BYTES = S::VOXELS * PITCH > STAGED ? S::VOXELS * PITCH : STAGED;
    alignas(16) __shared__ unsigned char shared[BYTES];
    __shared__ float shared_sums[WARPS][8 * N][2];

    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    const int across = (args.positions[2] + BRICK_X - 1) / BRICK_X;
    const int down = (args.positions[1] + BRICK_Y - 1) / BRICK_Y;
    const int brick = blockIdx.x;
    // First position of the brick.
    const int at[3] = {brick / (across * down) * BRICK_Z, brick / across % down * BRICK_Y, brick % across * BRICK_X};

    // How far the halo lies ahead of the brick.
    const int reach = FORM == SAME || FORM == DOUBLE ? 1 : 0;

    float sum_of[N][2] = {}, square_of[N][2] = {};
    const int phases = S::ALL_PHASES ? 8 : 1;
    int loaded = 0, chunks = 0;
    for (int s = 0; s < args.sources; s++) {
        const int channels = s == 0 ? args.source[0].channels : args.source[1].channels;
        chunks += args.single ? 1 : S::IN_PHASES * ((channels + 15) / 16);
    }
    for (int turn = 0; turn < phases; turn++) {
        const int phase = FORM == DOUBLE ? (S::ALL_PHASES ? turn : (int)blockIdx.z) : 0;
        const int bit[3] = {phase >> 2, phase >> 1 & 1, phase & 1};
        float sum[2][N][4] = {};
        const int stride = 32 * args.pairs;
        const uint4* filters =
            (const uint4*)args.weights + (long long)phase * chunks * S::TAPS * stride + N / 2 * 32 * blockIdx.y + lane;
        uint4 next[N / 2];
#pragma unroll
        for (int pair = 0; pair < N / 2; pair++) next[pair] = filters[32 * pair];

        // Where this lane reads tiles: row lane % 16, channels 8 (lane / 16). The slice is the warp's.
        const int skip = S::ALL_PHASES ? (bit[0] * S::Y + bit[1]) * S::X + bit[2] : 0;
        const int voxel = (warp * S::Y + (lane >> 3 & 1)) * S::X + (lane & 7) + skip;
        const unsigned char* rows = shared + voxel * PITCH + (lane >> 4) * 16;

        for (int s = 0; s < args.sources; s++) {
            const Source source = s == 0 ? args.source[0] : args.source[1];
            int origin[3];
            for (int axis = 0; axis < 3; axis++) origin[axis] = at[axis] - reach + (S::ALL_PHASES ? 0 : bit[axis]);
            if (args.single) {
                if (loaded++ == 0) {
                    load_input<S>(shared, source, origin);
                    __syncthreads();
                }
                all_taps<S, N>(sum, rows, filters, next, stride);
                continue;
            }
            for (int in_phase = 0; in_phase < S::IN_PHASES; in_phase++) {
                const int in_bit[3] = {in_phase >> 2, in_phase >> 1 & 1, in_phase & 1};
                int shift[3];
                for (int axis = 0; axis < 3; axis++) shift[axis] = FORM == HALF ? in_bit[axis] - 1 : 0;
                for (int first = 0; first < source.channels; first += 16) {
                    // A single chunk stays for all phases of the output.
                    if (chunks > 1 || loaded == 0) {
                        if (loaded++ > 0) __syncthreads();
                        load_chunk<S>(shared, source, first, origin, FORM == HALF ? 2 : 1, shift);
                        __syncthreads();
                    }
                    all_taps<S, N>(sum, rows, filters, next, stride);
                }
            }
        }

        // The products are there for every lane.
        __syncwarp();
        if constexpr (END == HEAD)
            write_answer<N>(args, sum, at, bit);
        else if constexpr (END == COUNT)
            add_sums<N>(args, sum, at, sum_of, square_of);
        else {
            if constexpr (END == JOIN)
                join<N>(args, sum, at);
            else
                add_sums<N>(args, sum, at, sum_of, square_of);
            // Others may still read the last chunk.
            __syncthreads();
            store<FORM, N>(args, sum, at, bit, shared);
        }
    }
    if constexpr (END == STORE || END == COUNT) write_sums<N>(args, sum_of, square_of, shared_sums);
}
