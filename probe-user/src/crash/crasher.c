/* Crashes in a known chain of functions when a byte arrives on standard input. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FRAME __attribute__((noinline, noclone))
/* Keeps a call from becoming a jump. */
#define STAY __asm__ volatile("" ::: "memory")

static const char *mode;
static void (*volatile nowhere)(void) = (void (*)(void))0x10;

FRAME void crash_inner(int *where) { *(volatile int *)where = 1; STAY; }
FRAME void crash_wild(void) { nowhere(); STAY; }

/* Its unwind information is an expression that jumps back to itself for ever. */
FRAME void crash_endless(void) {
#if defined(__x86_64__) || defined(__aarch64__)
    __asm__ volatile(".cfi_escape 0x0f, 0x03, 0x2f, 0xfd, 0xff");
#endif
    *(volatile int *)0 = 1;
    STAY;
}

FRAME int crash_compare(const void *a, const void *b) {
    char room[700];
    memset(room, *(const char *)a, sizeof room);
    __asm__ volatile("" ::"r"(room) : "memory");
    if (!strcmp(mode, "wild")) crash_wild();
    else if (!strcmp(mode, "endless")) crash_endless();
    else crash_inner(NULL);
    STAY;
    return *(const char *)a - *(const char *)b;
}

/* Does not use the unwinder's usual rule: its frame has no fixed size. */
FRAME void crash_outer(int n) {
    char list[n];
    memset(list, 7, n);
    qsort(list, n, 1, crash_compare);
    __asm__ volatile("" ::"r"(list) : "memory");
}

FRAME void crash_handler(int signal) { crash_outer(signal + 3); STAY; }

int main(int argc, char **argv) {
    char byte;
    mode = argc > 1 ? argv[1] : "";
    if (read(0, &byte, 1) != 1) return 1;
    if (!strcmp(mode, "handler")) {
        signal(SIGUSR1, crash_handler);
        raise(SIGUSR1);
    }
    crash_outer(argc + 3);
    return 0;
}
