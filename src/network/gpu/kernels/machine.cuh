// What a kernel asks of the machine beyond plain C++: PTX instructions on a GPU. `emulate.h` has the same names for a
// host, so that the very same kernels run there in a test. No header of the CUDA toolkit is needed.
#pragma once

typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#ifdef EMULATE
#include "emulate.h"
#else

#define KERNEL(name, Args) extern "C" __global__ void __launch_bounds__(128) name(const Args args)

// IEEE half to float, exact.
__device__ inline float widen(u16 half) {
    float wide;
    asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(half));
    return wide;
}

// Two floats to two halves, to nearest even; `low` comes first in memory.
__device__ inline u32 narrow(float low, float high) {
    u32 both;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    return both;
}

// A 16x16 tile of halves from shared memory. Lane l gives the place of row l % 8 (16 bytes) of the 8x8 matrix l / 8;
// word m of the result holds elements 2 (l % 4) and the next of row l / 4 of matrix m.
__device__ inline void load_tile(u32 (&tile)[4], const unsigned char* row) {
    asm volatile(
        "{ .reg .u64 wide; .reg .u32 place; cvta.to.shared.u64 wide, %4; cvt.u32.u64 place, wide;"
        " ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [place]; }"
        : "=r"(tile[0]), "=r"(tile[1]), "=r"(tile[2]), "=r"(tile[3])
        : "l"(row)
        : "memory");
}

// sum += a b on the tensor cores: 16x16 times 16x8, halves in, floats kept.
__device__ inline void multiply(float (&sum)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9},"
        " {%0, %1, %2, %3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// The value of the lane whose number differs in the bits of `mask`.
__device__ inline float from_lane(float value, int mask) {
    return __shfl_xor_sync(0xffffffffu, value, mask);
}

#endif
