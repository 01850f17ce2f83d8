"""What system calls are for, and on what terms a container may make them.

Everything that no purpose here names is refused with EPERM. The table is data for `seccomp.compile_profile`; each
purpose says what its calls do and, where there is a condition, what the condition is for.

Left out on purpose, although Docker 20.10 lets every container call them: io_uring (it runs other operations past
any filter and has been the kernel's richest source of escapes), attaching to running processes with ptrace,
memfd_secret, epoll_ctl_old and epoll_wait_old (never implemented), fanotify_mark (useless without fanotify_init). And
although later Docker lets them: process_vm_readv and process_vm_writev (into processes that don't ask for it),
name_to_handle_at, and what programs do without where it is refused: cachestat, pkey_*, map_shadow_stack, futex_wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Operator(StrEnum):
    """How an argument is compared."""

    EQ = "SCMP_CMP_EQ"
    NE = "SCMP_CMP_NE"
    LT = "SCMP_CMP_LT"
    GT = "SCMP_CMP_GT"
    #: (argument & value) == value_two
    MASKED_EQ = "SCMP_CMP_MASKED_EQ"


@dataclass(frozen=True, slots=True)
class Argument:
    """A condition on one argument of a call."""

    index: int
    operator: Operator
    value: int
    value_two: int = 0


@dataclass(frozen=True, slots=True)
class Purpose:
    """System calls that serve one purpose, and the terms on which they are allowed.

    Attributes:
        title: what they are for.
        calls: their names, as libseccomp spells them; a name that an architecture lacks is passed over by it.
        arguments: each is enough by itself; none means any arguments.
        capability: only for containers that have it.
        lacking: only for containers that don't have it.
        architectures: only there; empty means everywhere.
        error: refuse with this errno instead of allowing; 0 means allow.
    """

    title: str
    calls: str
    arguments: tuple[Argument, ...] = ()
    capability: str = ""
    lacking: str = ""
    architectures: tuple[str, ...] = ()
    error: int = 0

    @property
    def names(self) -> list[str]:
        """The calls, sorted."""
        return sorted(self.calls.split())


X86_64: Final = "x86_64"
AARCH64: Final = "aarch64"
_ENOSYS: Final = 38

#: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET: the flags of clone that make namespaces.
NAMESPACE_FLAGS: Final = 0x7E020000
_PTRACE_SEIZE: Final = 0x4206
_PTRACE_ATTACH: Final = 16
_AF_VSOCK: Final = 40


def _equal(*values: int) -> tuple[Argument, ...]:
    return tuple(Argument(0, Operator.EQ, value) for value in values)


PURPOSES: Final[tuple[Purpose, ...]] = (
    # Processes and threads
    Purpose("start programs", "execve execveat fork vfork"),
    Purpose(
        "start processes and threads, not namespaces",
        "clone",
        arguments=(Argument(0, Operator.MASKED_EQ, NAMESPACE_FLAGS, 0),),
        lacking="CAP_SYS_ADMIN",
    ),
    Purpose(
        # Its flags are in memory, where a filter can't look. ENOSYS makes the C library use clone instead.
        "fall back to clone",
        "clone3",
        lacking="CAP_SYS_ADMIN",
        error=_ENOSYS,
    ),
    Purpose("end", "exit exit_group restart_syscall"),
    Purpose("wait for children", "wait4 waitid waitpid"),
    Purpose(
        "know oneself and one's relatives",
        "getpgid getpgrp getpid getppid getsid gettid set_tid_address setpgid setsid",
    ),
    Purpose(
        "threads' own data and restartable sequences",
        "arch_prctl modify_ldt",
        architectures=(X86_64,),
    ),
    Purpose("thread areas of 32-bit x86", "get_thread_area set_thread_area"),
    Purpose(
        "what only ARM has: caches, thread pointer, its order of arguments",
        "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2",
        architectures=(AARCH64,),
    ),
    Purpose("robust locks, restartable sequences, barriers", "get_robust_list membarrier rseq set_robust_list"),
    Purpose("wait for and wake threads", "futex futex_time64 futex_waitv"),
    Purpose("change what the kernel does for this process", "prctl"),
    Purpose("confine oneself further", "landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp"),
    Purpose(
        # Linux, 32-bit, old version numbers, and the query; not READ_IMPLIES_EXEC or ADDR_NO_RANDOMIZE.
        "execution domains that weaken nothing",
        "personality",
        arguments=_equal(0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF),
    ),
    Purpose(
        # Requests below ATTACH trace a child that asked for it; ATTACH and SEIZE take over a running process.
        "trace one's own children",
        "ptrace",
        arguments=(
            Argument(0, Operator.LT, _PTRACE_ATTACH),
            *_equal(17, 18, 19, 24, 25, 26, 30, 31, 32, 33),
            *_equal(*range(0x4200, _PTRACE_SEIZE)),
            Argument(0, Operator.GT, _PTRACE_SEIZE),
        ),
        lacking="CAP_SYS_PTRACE",
    ),
    # Signals
    Purpose("send signals", "kill rt_sigqueueinfo rt_tgsigqueueinfo tgkill tkill"),
    Purpose(
        "handle signals",
        "pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigreturn rt_sigsuspend rt_sigtimedwait "
        "rt_sigtimedwait_time64 sigaltstack signalfd signalfd4 sigprocmask sigreturn",
    ),
    Purpose("refer to processes by descriptor", "pidfd_open pidfd_send_signal process_mrelease"),
    # Identity
    Purpose(
        "know who one is",
        "getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid getresgid32 getresuid "
        "getresuid32 getuid getuid32",
    ),
    Purpose(
        "become somebody else of the container",
        "capget capset setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setregid "
        "setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32",
    ),
    # Scheduling and limits
    Purpose(
        "scheduling",
        "getcpu getpriority ioprio_get ioprio_set sched_get_priority_max sched_get_priority_min sched_getaffinity "
        "sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 "
        "sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield setpriority",
    ),
    Purpose("limits and use", "getrlimit getrusage prlimit64 setrlimit sysinfo times ugetrlimit uname"),
    # Memory
    Purpose(
        "memory of one's own",
        "brk madvise mincore mlock mlock2 mlockall mmap mmap2 mprotect mremap msync munlock munlockall munmap "
        "remap_file_pages",
    ),
    Purpose("files in memory", "memfd_create"),
    # Time
    Purpose(
        "read clocks, sleep, timers",
        "alarm clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 "
        "getitimer gettimeofday nanosleep setitimer time timer_create timer_delete timer_getoverrun timer_gettime "
        "timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 "
        "timerfd_settime timerfd_settime64",
    ),
    Purpose(
        # Setting through them needs CAP_SYS_TIME in the first user namespace, which no container has.
        "read how clocks are adjusted",
        "adjtimex clock_adjtime clock_adjtime64",
    ),
    # Files
    Purpose(
        "open, read, write, close",
        "_llseek close close_range creat lseek open openat openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 "
        "read readv write writev",
    ),
    Purpose("descriptors", "dup dup2 dup3 fcntl fcntl64 flock ioctl pipe pipe2"),
    Purpose("move data between descriptors", "copy_file_range sendfile sendfile64 splice tee vmsplice"),
    Purpose(
        "size, allocate, advise, write back",
        "fadvise64 fadvise64_64 fallocate fdatasync fsync ftruncate ftruncate64 readahead sync sync_file_range syncfs "
        "truncate truncate64",
    ),
    Purpose(
        "look at files and file systems",
        "access faccessat faccessat2 fstat fstat64 fstatat64 fstatfs fstatfs64 lstat lstat64 newfstatat readlink "
        "readlinkat stat stat64 statfs statfs64 statx",
    ),
    Purpose(
        "names",
        "chdir fchdir getcwd getdents getdents64 link linkat mkdir mkdirat mknod mknodat rename renameat renameat2 "
        "rmdir symlink symlinkat unlink unlinkat",
    ),
    Purpose(
        "owners, modes, times",
        "chmod chown chown32 fchmod fchmodat fchmodat2 fchown fchown32 fchownat futimesat lchown lchown32 umask utime "
        "utimensat utimensat_time64 utimes",
    ),
    Purpose(
        "extended attributes",
        "fgetxattr flistxattr fremovexattr fsetxattr getxattr lgetxattr listxattr llistxattr lremovexattr lsetxattr "
        "removexattr setxattr",
    ),
    Purpose("watch files", "inotify_add_watch inotify_init inotify_init1 inotify_rm_watch"),
    Purpose(
        "asynchronous input and output",
        "io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit",
    ),
    Purpose(
        "wait for descriptors",
        "_newselect epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 poll "
        "ppoll ppoll_time64 pselect6 pselect6_time64 select",
    ),
    # Talking to others
    Purpose(
        "sockets",
        "accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmmsg_time64 "
        "recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair",
    ),
    Purpose(
        # Those of a virtual machine with its hypervisor belong to no network namespace. socketcall, for programs of 32
        # bits, has its arguments in memory, where a filter can't look.
        "make sockets, but not to the hypervisor",
        "socket",
        arguments=(Argument(0, Operator.NE, _AF_VSOCK),),
    ),
    Purpose(
        "System V and POSIX message queues, semaphores, shared memory",
        "ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 "
        "mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt "
        "shmget",
    ),
    Purpose("random numbers", "getrandom"),
    # For containers that were given more
    Purpose("change the root directory", "chroot", capability="CAP_SYS_CHROOT"),
    Purpose("open files by handle", "open_by_handle_at", capability="CAP_DAC_READ_SEARCH"),
    Purpose(
        "administer: mounts, namespaces, names, quotas, programs in the kernel",
        "bpf clone clone3 fanotify_init fanotify_mark fsconfig fsmount fsopen fspick mount mount_setattr move_mount "
        "name_to_handle_at open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog "
        "umount umount2 unshare",
        capability="CAP_SYS_ADMIN",
    ),
    Purpose("restart the machine", "reboot", capability="CAP_SYS_BOOT"),
    Purpose("kernel modules", "delete_module finit_module init_module", capability="CAP_SYS_MODULE"),
    Purpose("process accounting", "acct", capability="CAP_SYS_PACCT"),
    Purpose(
        "look into other processes",
        "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace",
        capability="CAP_SYS_PTRACE",
    ),
    Purpose("input and output ports", "ioperm iopl", capability="CAP_SYS_RAWIO"),
    Purpose("set the clock", "clock_settime settimeofday stime", capability="CAP_SYS_TIME"),
    Purpose("hang up terminals", "vhangup", capability="CAP_SYS_TTY_CONFIG"),
    Purpose("place memory on nodes", "get_mempolicy mbind set_mempolicy", capability="CAP_SYS_NICE"),
    Purpose("read the kernel's log", "syslog", capability="CAP_SYSLOG"),
)
