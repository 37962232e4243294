// The kernels on a host: every CUDA thread is a fiber, every block runs on one thread of the host. Barriers, shuffles,
// tiles and tensor-core products are collectives of a warp or block, with the fragment layouts of the PTX manual.
//
// The order in which fibers run is chosen by the caller. A kernel that lacks a barrier gives other bits in another
// order, and shared memory starts as what the last block left behind, so it does not work by luck.
#pragma once
#include <cmath>
#include <csetjmp>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ucontext.h>

#define __device__
#define __shared__ static thread_local
#define KERNEL(name, Args) void name(const Args& args)

struct alignas(16) uint4 {
    u32 x, y, z, w;
};
struct Index {
    int x, y, z;
};

namespace emulate {

const int LANES = 32, MOST = 128;

// Numbers of the arrivals at a barrier and of the times it opened.
struct Barrier {
    int here = 0;
    long opened = 0;
};

// A product that a lane asked for. It is made when all lanes of the warp have met at the next barrier.
struct Product {
    float* sum;
    u32 a[4], b[2];
};

// What lanes show each other; two of each, because a lane may come to the next collective before the last has read.
struct Warp {
    Barrier barrier;
    float value[2][LANES];
    const unsigned char* row[2][LANES];
    Product product[LANES][32];
    int products[LANES];
    int turn[LANES];
};

struct Fiber {
    jmp_buf place;
    ucontext_t first;
    char* stack = nullptr;
    bool started = false, ended = false;
    const Barrier* waits = nullptr;
    long since = 0;
};

struct Block {
    Fiber fiber[MOST];
    Warp warp[MOST / LANES];
    Barrier barrier;
    int threads = 0, current = 0;
    jmp_buf scheduler;
    ucontext_t back;
    void (*kernel)(const void*) = nullptr;
    const void* args = nullptr;
};

extern thread_local Block block;
extern float wide[65536];

inline float half_at(u32 word, int high) { return wide[high ? word >> 16 : word & 0xffff]; }

// Fragments as the PTX manual has them for m16n8k16.
inline void make_products(Warp& w) {
    float left[16][16], right[16][8];
    for (int at = 0; at < w.products[0]; at++) {
        bool other = at == 0;
        for (int l = 0; l < LANES && !other; l++)
            other = memcmp(w.product[l][at].a, w.product[l][at - 1].a, sizeof w.product[l][at].a) != 0;
        for (int l = 0; l < LANES; l++)
            for (int i = 0; i < 2; i++) {
                const Product& p = w.product[l][at];
                const int g = l / 4, k = 2 * (l % 4) + i;
                if (other) {
                    left[g][k] = half_at(p.a[0], i);
                    left[g + 8][k] = half_at(p.a[1], i);
                    left[g][k + 8] = half_at(p.a[2], i);
                    left[g + 8][k + 8] = half_at(p.a[3], i);
                }
                right[k][g] = half_at(p.b[0], i);
                right[k + 8][g] = half_at(p.b[1], i);
            }
        for (int row = 0; row < 16; row++) {
            float product[8] = {};
            for (int k = 0; k < 16; k++)
                for (int n = 0; n < 8; n++) product[n] += left[row][k] * right[k][n];
            // Lanes 4 (row % 8) and on have two columns each.
            for (int n = 0; n < 8; n++)
                w.product[4 * (row % 8) + n / 2][at].sum[2 * (row / 8) + n % 2] += product[n];
        }
    }
    for (int l = 0; l < LANES; l++) {
        if (w.products[l] != w.products[0] && l > 0) abort();
    }
    memset(w.products, 0, sizeof w.products);
}

inline void wait(Barrier& barrier, int all) {
    if (++barrier.here == all) {
        for (int i = 0; i < block.threads / LANES; i++)
            if (all == block.threads || &barrier == &block.warp[i].barrier) make_products(block.warp[i]);
        barrier.here = 0;
        barrier.opened++;
        return;
    }
    Fiber& self = block.fiber[block.current];
    self.waits = &barrier;
    self.since = barrier.opened;
    if (_setjmp(self.place) == 0) _longjmp(block.scheduler, 1);
}

inline Warp& warp() { return block.warp[block.current / LANES]; }
inline int lane() { return block.current % LANES; }
inline int turn() { return warp().turn[lane()] ^= 1; }

}  // namespace emulate

extern thread_local Index threadIdx, blockIdx, gridDim;

inline void __syncthreads() { emulate::wait(emulate::block.barrier, emulate::block.threads); }
inline void __syncwarp() { emulate::wait(emulate::warp().barrier, emulate::LANES); }

inline float widen(u16 half) { return emulate::wide[half]; }

inline u16 narrow_one(float value) {
    u32 bits;
    memcpy(&bits, &value, 4);
    const u32 sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff;
    if (rest > 0x7f800000) return 0x7fff;
    if (rest >= 0x477ff000) return (u16)(sign | 0x7c00);
    // Adding a power of two moves the last bit of a subnormal half to the last bit of the float.
    if (rest < 0x38800000) {
        float magnitude;
        memcpy(&magnitude, &rest, 4);
        magnitude += 0.5f;
        memcpy(&bits, &magnitude, 4);
        return (u16)(sign | (bits - 0x3f000000));
    }
    const u32 rounded = rest + 0xfff + (rest >> 13 & 1);
    return (u16)(sign | ((rounded - 0x38000000) >> 13));
}
inline u32 narrow(float low, float high) { return narrow_one(low) | (u32)narrow_one(high) << 16; }

inline float from_lane(float value, int mask) {
    using namespace emulate;
    const int now = turn();
    warp().value[now][lane()] = value;
    __syncwarp();
    return warp().value[now][lane() ^ mask];
}

inline void load_tile(u32 (&tile)[4], const unsigned char* row) {
    using namespace emulate;
    if ((uintptr_t)row % 16) abort();
    const int now = turn();
    warp().row[now][lane()] = row;
    __syncwarp();
    for (int matrix = 0; matrix < 4; matrix++)
        memcpy(&tile[matrix], warp().row[now][8 * matrix + lane() / 4] + 4 * (lane() % 4), 4);
}

inline void multiply(float (&sum)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    using namespace emulate;
    int& count = warp().products[lane()];
    if (count == 32) abort();
    Product& product = warp().product[lane()][count++];
    product.sum = sum;
    memcpy(product.a, a, sizeof a);
    product.b[0] = b0;
    product.b[1] = b1;
}
