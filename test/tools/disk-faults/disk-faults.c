/*
 * LD_PRELOAD library that makes calls fail on files below DISK_FAULTS_DIR. The file DISK_FAULTS says which, one line:
 *
 *   <call> <errno> <from> <to> [<pattern>]
 *
 * Calls number <from> to <to> fail; the number counts since the file has changed. <call> is write, sync, rename, link, mkdir,
 * remove, truncate, open (of files that may be new) or openany. <pattern>: only paths that match, as of fnmatch(3), in which *
 * matches / too; default: all. An empty or missing file: nothing fails.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char known[256];
static long count;

static int is_below(const char *path) {
  const char *dir = getenv("DISK_FAULTS_DIR");
  return dir && path && strncmp(path, dir, strlen(dir)) == 0;
}

/* The errno of the fault that is due, or 0. */
static int fault(const char *call, const char *path) {
  const char *control = getenv("DISK_FAULTS");
  if (!control || !is_below(path)) return 0;
  char text[256] = {0}, name[16] = {0}, pattern[128] = "*";
  int number = 0, saved = errno;
  long from = 0, to = 0;
  int fd = syscall(SYS_openat, AT_FDCWD, control, O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    if (syscall(SYS_read, fd, text, sizeof text - 1) < 0) text[0] = 0;
    syscall(SYS_close, fd);
  }
  errno = saved;
  int fits = sscanf(text, "%15s %d %ld %ld %127s", name, &number, &from, &to, pattern) >= 4 && !strcmp(name, call) &&
             !fnmatch(pattern, path, 0);
  pthread_mutex_lock(&lock);
  if (strcmp(known, text)) {
    strcpy(known, text);
    count = 0;
  }
  long mine = fits ? ++count : 0;
  pthread_mutex_unlock(&lock);
  return mine >= from && mine <= to ? number : 0;
}

static int fault_of_fd(const char *call, int fd) {
  if (!getenv("DISK_FAULTS")) return 0;
  char link[64], path[4096];
  int saved = errno;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  errno = saved;
  if (length < 0) return 0;
  path[length] = 0;
  return fault(call, path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL(call, fd) \
  do { \
    int number = fault_of_fd(call, fd); \
    if (number) { \
      errno = number; \
      return -1; \
    } \
  } while (0)

ssize_t write(int fd, const void *bytes, size_t size) {
  FAIL("write", fd);
  return REAL(write)(fd, bytes, size);
}

ssize_t writev(int fd, const struct iovec *parts, int number) {
  FAIL("write", fd);
  return REAL(writev)(fd, parts, number);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
  FAIL("write", fd);
  return REAL(pwrite64)(fd, bytes, size, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) {
  FAIL("write", fd);
  return REAL(pwrite)(fd, bytes, size, at);
}

int fsync(int fd) {
  FAIL("sync", fd);
  return REAL(fsync)(fd);
}

int fdatasync(int fd) {
  FAIL("sync", fd);
  return REAL(fdatasync)(fd);
}

int ftruncate(int fd, off_t size) {
  FAIL("truncate", fd);
  return REAL(ftruncate)(fd, size);
}

int ftruncate64(int fd, off64_t size) {
  FAIL("truncate", fd);
  return REAL(ftruncate64)(fd, size);
}

#define FAIL_PATH(call, path) \
  do { \
    int number = fault(call, path); \
    if (number) { \
      errno = number; \
      return -1; \
    } \
  } while (0)

int rename(const char *from, const char *to) {
  FAIL_PATH("rename", to);
  return REAL(rename)(from, to);
}

int link(const char *from, const char *to) {
  FAIL_PATH("link", to);
  return REAL(link)(from, to);
}

int mkdir(const char *path, mode_t mode) {
  FAIL_PATH("mkdir", path);
  return REAL(mkdir)(path, mode);
}

int unlink(const char *path) {
  FAIL_PATH("remove", path);
  return REAL(unlink)(path);
}

#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    va_list rest; \
    va_start(rest, flags); \
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0; \
    va_end(rest); \
    if (flags & O_CREAT) FAIL_PATH("open", path); \
    FAIL_PATH("openany", path); \
    return REAL(name)(path, flags, mode); \
  }

OPEN(open)
OPEN(open64)
