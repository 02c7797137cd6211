// Runs the kernels on a CPU, one warp after the other.
#define VALUENET_EMULATED
#include "../kernels/all.cu"
#include "../kernels/any.cu"

#include <csetjmp>
#include <map>
#include <string>
#include <ucontext.h>
#include <vector>

Index threadIdx, blockIdx, blockDim;

namespace {

struct Kernel {
    void (*kernel)();
    Registered::Call call;
};

std::map<std::string, Kernel> &kernels() {
    static std::map<std::string, Kernel> all;
    return all;
}

constexpr unsigned LANES = 32;
constexpr size_t STACK = 128 * 1024;

// The warp that runs. A lane that has returned takes part in no more shuffles.
struct Warp {
    // Fibers are begun by their contexts and go on by jumps, which make no system calls.
    ucontext_t lanes[LANES];
    jmp_buf scheduler, places[LANES];
    std::vector<char> stacks = std::vector<char>(LANES * STACK);
    bool begun = false;
    double brought[LANES];
    bool running[LANES];
    unsigned lane;
    const Kernel *kernel;
    void **arguments;
};

Warp warp;

// Gives the turn to the scheduler, until it comes back.
__attribute__((noinline)) void yield() {
    const unsigned lane = warp.lane, thread = threadIdx.x;
    if (_setjmp(warp.places[lane]) == 0) _longjmp(warp.scheduler, 1);
    warp.lane = lane;
    threadIdx.x = thread;
}

// A fiber's life: the same lane of one warp after the other.
void run_lane() {
    for (;;) {
        warp.kernel->call(warp.kernel->kernel, warp.arguments);
        warp.running[warp.lane] = false;
        const unsigned lane = warp.lane;
        if (_setjmp(warp.places[lane]) == 0) _longjmp(warp.scheduler, 1);
    }
}

// Not inlined: what a function has changed since its own setjmp is lost by the jump back.
__attribute__((noinline)) void turn(unsigned lane, bool is_first) {
    if (_setjmp(warp.scheduler) != 0) return;
    if (is_first) setcontext(&warp.lanes[lane]);
    _longjmp(warp.places[lane], 1);
}

__attribute__((noinline)) void prepare(unsigned lane) {
    ucontext_t &fiber = warp.lanes[lane];
    getcontext(&fiber);
    fiber.uc_stack.ss_sp = warp.stacks.data() + lane * STACK;
    fiber.uc_stack.ss_size = STACK;
    makecontext(&fiber, run_lane, 0);
}

void run_warp(unsigned first) {
    bool first_round = !warp.begun;
    warp.begun = true;
    for (unsigned lane = 0; lane < LANES; lane++) {
        warp.running[lane] = true;
        if (first_round) prepare(lane);
    }
    for (bool some = true; some; first_round = false) {
        some = false;
        for (unsigned lane = 0; lane < LANES; lane++) {
            if (!warp.running[lane]) continue;
            warp.lane = lane;
            threadIdx.x = first + lane;
            turn(lane, first_round);
            some |= warp.running[lane];
        }
    }
}

} // namespace

double exchange(double own, unsigned from) {
    warp.brought[warp.lane] = own;
    yield(); // until all have brought theirs
    const double found = warp.brought[from];
    yield(); // until all have taken theirs
    return found;
}

void Registered::enter(const char *name, void (*kernel)(), Call call) { kernels()[name] = {kernel, call}; }

// Whether there is a kernel of that name, which then ran over so many blocks.
extern "C" bool valuenet_emulate(const char *name, unsigned blocks, unsigned threads, void **arguments) {
    const auto found = kernels().find(name);
    if (found == kernels().end()) return false;
    warp.kernel = &found->second;
    warp.arguments = arguments;
    blockDim.x = threads;
    for (unsigned block = 0; block < blocks; block++) {
        blockIdx.x = block;
        for (unsigned first = 0; first < threads; first += LANES) run_warp(first);
    }
    return true;
}
