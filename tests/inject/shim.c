/* Laid over the C library (LD_PRELOAD) of a process under test: a disk that is full, that fails or is slow to sync, and a clock that
 * is wrong, switched on and off while it runs through a small file that both sides have mapped. Only files whose path holds the
 * given text are touched. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* As tests/inject/shim.py writes it. */
struct control {
    volatile int full;           /* writes give ENOSPC */
    volatile int sync_fails;     /* syncs give EIO */
    volatile int sync_ms;        /* syncs take so much longer */
    volatile int hits;           /* how often any of the three was met */
    volatile long clock_seconds; /* ahead of the true time; negative: behind */
    char path[256];              /* part of the paths that are meant */
};

static struct control *control;

__attribute__((constructor)) static void map(void) {
    const char *name = getenv("FAULTS_CONTROL");
    int fd = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *at = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at != MAP_FAILED) control = at;
    close(fd);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int meant(int fd) {
    char link[40], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return control->path[0] && strstr(path, (const char *)control->path) != NULL;
}

static int is_full(int fd) {
    if (!control || !control->full || !meant(fd)) return 0;
    __atomic_fetch_add(&control->hits, 1, __ATOMIC_RELAXED);
    errno = ENOSPC;
    return 1;
}

static int fails(int fd) {
    if (!control || (!control->sync_fails && !control->sync_ms) || !meant(fd)) return 0;
    __atomic_fetch_add(&control->hits, 1, __ATOMIC_RELAXED);
    if (control->sync_ms) usleep((useconds_t)control->sync_ms * 1000);
    if (!control->sync_fails) return 0;
    errno = EIO;
    return 1;
}

ssize_t write(int fd, const void *data, size_t size) { return is_full(fd) ? -1 : REAL(write)(fd, data, size); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return is_full(fd) ? -1 : REAL(pwrite)(fd, data, size, at); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { return is_full(fd) ? -1 : REAL(pwrite64)(fd, data, size, at); }
ssize_t writev(int fd, const struct iovec *parts, int count) { return is_full(fd) ? -1 : REAL(writev)(fd, parts, count); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) { return is_full(fd) ? -1 : REAL(pwritev)(fd, parts, count, at); }
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) { return is_full(fd) ? -1 : REAL(pwritev64)(fd, parts, count, at); }
int fallocate(int fd, int mode, off_t at, off_t size) { return is_full(fd) ? -1 : REAL(fallocate)(fd, mode, at, size); }
int fallocate64(int fd, int mode, off64_t at, off64_t size) { return is_full(fd) ? -1 : REAL(fallocate64)(fd, mode, at, size); }
int fsync(int fd) { return fails(fd) ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return fails(fd) ? -1 : REAL(fdatasync)(fd); }

int clock_gettime(clockid_t clock, struct timespec *now) {
    int outcome = REAL(clock_gettime)(clock, now);
    if (outcome == 0 && control && clock == CLOCK_REALTIME) now->tv_sec += control->clock_seconds;
    return outcome;
}
