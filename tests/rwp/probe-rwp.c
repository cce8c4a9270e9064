/*
 * Tell whether this very machine can run the tests that need RWP.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Exit status 0: its kernel has userfaultfd read-write protection and KVM runs
 * a guest here. 1: it does not; one line on stdout says what is missing. Both
 * are tried, not looked up: a version says little about a distribution's
 * kernel, and /dev/kvm may be there and still run nothing.
 */

#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux 7.3; the headers of Debian 12 and 13 do not have them. */
#define FEATURE_RWP         (1ULL << 17)
#define FEATURE_RWP_ASYNC   (1ULL << 18)
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

static const char *probe_rwp(void)
{
    struct uffdio_api api = { .api = UFFD_API };
    int fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

    if (fd < 0) {
        return "no userfaultfd";
    }
    /* Without features asked for, the kernel answers with all it has. */
    if (ioctl(fd, UFFDIO_API, &api) < 0) {
        close(fd);
        return "userfaultfd does not answer";
    }
    close(fd);
    if ((api.features & FEATURE_RWP) && (api.features & FEATURE_RWP_ASYNC)) {
        return NULL;
    }
    return "its kernel has no RWP, Linux 7.3 is the first with it";
}

/* A guest of one instruction: hlt, in real mode. */
static const char *probe_kvm(void)
{
    struct kvm_userspace_memory_region region = { .memory_size = 4096 };
    struct kvm_sregs sregs;
    struct kvm_regs regs = { .rflags = 2 };
    struct kvm_run *run;
    uint8_t *code;
    int kvm, vm, vcpu, size;

    kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) {
        return "no usable /dev/kvm";
    }
    vm = ioctl(kvm, KVM_CREATE_VM, 0);
    size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    code = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (vm < 0 || size < 0 || code == MAP_FAILED) {
        return "KVM makes no VM";
    }
    code[0] = 0xf4;
    region.userspace_addr = (uintptr_t)code;
    vcpu = ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0 ? -1 :
           ioctl(vm, KVM_CREATE_VCPU, 0);
    if (vcpu < 0) {
        return "KVM makes no vCPU";
    }
    run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (run == MAP_FAILED || ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0) {
        return "KVM's vCPU does not answer";
    }
    sregs.cs.base = 0;
    sregs.cs.selector = 0;
    if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0 ||
        ioctl(vcpu, KVM_SET_REGS, &regs) < 0 ||
        ioctl(vcpu, KVM_RUN, 0) < 0 || run->exit_reason != KVM_EXIT_HLT) {
        return "KVM runs no guest";
    }
    return NULL;
}

int main(void)
{
    const char *missing = probe_rwp();

    if (!missing) {
        missing = probe_kvm();
    }
    puts(missing ? missing : "RWP and KVM work here");
    return missing ? 1 : 0;
}
