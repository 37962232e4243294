// The emulated GPU as a process, for tests: `c++ -O3 -std=c++17 -DEMULATE emulate.cpp -pthread`. Requests on standard
// input, answers on standard output, all numbers 64-bit little-endian:
//   1 bytes                          -> address; filled with NaN, and nothing after it can be touched
//   2 address bytes, the bytes       -> 0
//   3 address bytes                  -> the bytes
//   4 order x y z args name, the bytes of both (their lengths were given) -> 0, or 1 for a name that is not there
//   5                                -> sizes of the two argument structures
#include <cstdio>
#include <string>
#include <sys/mman.h>
#include <thread>
#include <vector>

#include "kernels.cu"

namespace emulate {
thread_local Block block;
float wide[65536];
}  // namespace emulate
thread_local Index threadIdx, blockIdx, gridDim;

using namespace emulate;

namespace {

const size_t STACK = 1 << 16;

float exact(int half) {
    const int exponent = half >> 10 & 31, mantissa = half & 1023;
    const float magnitude = exponent == 31  ? (mantissa ? NAN : INFINITY)
                            : exponent == 0 ? std::ldexp((float)mantissa, -24)
                                            : std::ldexp((float)(mantissa + 1024), exponent - 25);
    return half & 0x8000 ? -magnitude : magnitude;
}

void fiber_main() {
    block.kernel(block.args);
    block.fiber[block.current].ended = true;
    _longjmp(block.scheduler, 1);
}

void resume(int at) {
    block.current = at;
    threadIdx = {at, 0, 0};
    Fiber& fiber = block.fiber[at];
    fiber.waits = nullptr;
    if (_setjmp(block.scheduler)) return;
    if (fiber.started) _longjmp(fiber.place, 1);
    fiber.started = true;
    if (!fiber.stack) fiber.stack = (char*)malloc(STACK);
    getcontext(&fiber.first);
    fiber.first.uc_stack.ss_sp = fiber.stack;
    fiber.first.uc_stack.ss_size = STACK;
    fiber.first.uc_link = nullptr;
    makecontext(&fiber.first, fiber_main, 0);
    setcontext(&fiber.first);
}

// Order 0: lanes in turn. Order 1: the last warp first and as far as it can go, lanes backwards.
void run_block(int order, int threads) {
    block.threads = threads;
    block.barrier = Barrier();
    for (Warp& warp : block.warp) {
        warp.barrier = Barrier();
        memset(warp.turn, 0, sizeof warp.turn);
        memset(warp.products, 0, sizeof warp.products);
    }
    for (int i = 0; i < threads; i++) {
        Fiber& fiber = block.fiber[i];
        fiber.started = fiber.ended = false;
        fiber.waits = nullptr;
    }
    for (int left = threads; left > 0;) {
        bool moved = false;
        for (int i = 0; i < threads; i++) {
            const int at = order == 0 ? i : threads - 1 - i;
            Fiber& fiber = block.fiber[at];
            if (fiber.ended || (fiber.waits && fiber.waits->opened == fiber.since)) continue;
            resume(at);
            moved = true;
            left -= fiber.ended;
            // Stay with a warp until it has to wait for another one.
            if (order == 1 && i % LANES == LANES - 1) {
                for (int l = i - LANES + 1; l <= i; l++) {
                    const Fiber& lane = block.fiber[threads - 1 - l];
                    if (!lane.ended && !(lane.waits && lane.waits->opened == lane.since)) {
                        i -= LANES;
                        break;
                    }
                }
            }
        }
        if (!moved) {
            fprintf(stderr, "emulate: every thread waits\n");
            abort();
        }
    }
}

struct Named {
    const char* name;
    void (*kernel)(const void*);
};
template <class A, void (*F)(const A&)>
void call(const void* args) {
    F(*(const A*)args);
}
#define NAMED(name, form, n, end) {#name, call<Args, name>},
const Named KERNELS[] = {{"norm", call<NormArgs, norm>}, CONVS(NAMED)};

int launch(int order, const u64 (&grid)[3], const std::string& name, const std::vector<char>& args) {
    for (const Named& named : KERNELS)
        if (name == named.name) {
            const long blocks = (long)(grid[0] * grid[1] * grid[2]);
            auto work = [&](long from, long step) {
                block.kernel = named.kernel;
                block.args = args.data();
                gridDim = {(int)grid[0], (int)grid[1], (int)grid[2]};
                for (long at = from; at < blocks; at += step) {
                    const long i = order == 0 ? at : blocks - 1 - at;
                    blockIdx = {(int)(i % grid[0]), (int)(i / grid[0] % grid[1]), (int)(i / grid[0] / grid[1])};
                    run_block(order, THREADS);
                }
                for (Fiber& fiber : block.fiber) {
                    free(fiber.stack);
                    fiber.stack = nullptr;
                }
            };
            const long hosts = std::max(1u, std::thread::hardware_concurrency());
            std::vector<std::thread> threads;
            for (long i = 0; i < hosts && i < blocks; i++) threads.emplace_back(work, i, hosts);
            for (auto& thread : threads) thread.join();
            return 0;
        }
    return 1;
}

void get(void* place, size_t bytes) {
    if (bytes && fread(place, bytes, 1, stdin) != 1) exit(0);
}
u64 number() {
    u64 value;
    get(&value, 8);
    return value;
}
void put(const void* place, size_t bytes) {
    if (bytes && fwrite(place, bytes, 1, stdout) != 1) exit(1);
}
void put(u64 value) { put(&value, 8); }

// Ends at a page that can not be touched, up to the 16 bytes that every address is a multiple of.
u64 allocate(size_t bytes) {
    const size_t page = 4096, whole = (bytes + page - 1) / page * page;
    char* from = (char*)mmap(nullptr, whole + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (from == MAP_FAILED || mprotect(from + page, whole, PROT_READ | PROT_WRITE)) return 0;
    memset(from + page, 0xff, whole);
    return (u64)(from + page + (whole - (bytes + 15) / 16 * 16));
}

}  // namespace

int main() {
    for (int half = 0; half < 65536; half++) wide[half] = exact(half);
    for (;;) {
        switch (number()) {
            case 1: put(allocate(number())); break;
            case 2: {
                const u64 address = number(), bytes = number();
                get((void*)address, bytes);
                put(0);
                break;
            }
            case 3: {
                const u64 address = number(), bytes = number();
                put((const void*)address, bytes);
                break;
            }
            case 4: {
                const int order = (int)number();
                u64 grid[3];
                for (u64& side : grid) side = number();
                std::vector<char> args(number());
                std::string name(number(), ' ');
                get(args.data(), args.size());
                get(&name[0], name.size());
                put(launch(order, grid, name, args));
                break;
            }
            case 5:
                put(sizeof(Args));
                put(sizeof(NormArgs));
                break;
            default: return 2;
        }
        fflush(stdout);
    }
}
