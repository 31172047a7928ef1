/* SPDX-License-Identifier: Apache-2.0
 *
 * Preloaded (LD_PRELOAD), it shows a program a processor with AVX2 and nothing newer: CPUID says
 * neither AVX-512 nor VNNI nor AMX, and libraries choose their code by it.
 *
 * Linux can make CPUID fault (arch_prctl(2), ARCH_SET_CPUID); the fault's handler runs the
 * instruction and clears bits of its result. Bits: Intel 64 Software Developer's Manual, CPUID.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARCH_SET_CPUID 0x1012
#define BIT(number) (1u << (number))

/* leaf 7: AVX-512 F DQ IFMA PF ER CD BW VL; VBMI VBMI2 VNNI BITALG VPOPCNTDQ, GFNI VAES
 * VPCLMULQDQ; 4VNNIW 4FMAPS VP2INTERSECT FP16, AMX BF16 TILE INT8 */
static const unsigned EBX_7 = BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31);
static const unsigned ECX_7 = BIT(1) | BIT(6) | BIT(8) | BIT(9) | BIT(10) | BIT(11) | BIT(12) | BIT(14);
static const unsigned EDX_7 = BIT(2) | BIT(3) | BIT(8) | BIT(22) | BIT(23) | BIT(24) | BIT(25);

static long let_cpuid_work(int works) { return syscall(SYS_arch_prctl, ARCH_SET_CPUID, (long)works); }

static void on_fault(int number, siginfo_t *info, void *context)
{
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  const unsigned char *code = (const unsigned char *)registers[REG_RIP];
  const unsigned leaf = registers[REG_RAX], subleaf = registers[REG_RCX];
  unsigned eax, ebx, ecx, edx;
  (void)info;
  if (code[0] != 0x0f || code[1] != 0xa2) {
    signal(number, SIG_DFL); /* another fault: it comes again, and ends the program */
    return;
  }
  let_cpuid_work(1);
  __asm__ volatile("cpuid" : "=a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx) : "a"(leaf), "c"(subleaf));
  let_cpuid_work(0);
  if (leaf == 7 && subleaf == 0) {
    ebx &= ~EBX_7;
    ecx &= ~ECX_7;
    edx &= ~EDX_7;
  } else if (leaf == 7) {
    eax = ebx = ecx = edx = 0; /* AVX-VNNI, AVX-IFMA, AMX FP16, AVX10 and later */
  }
  registers[REG_RAX] = eax;
  registers[REG_RBX] = ebx;
  registers[REG_RCX] = ecx;
  registers[REG_RDX] = edx;
  registers[REG_RIP] += 2;
}

__attribute__((constructor)) static void start(void)
{
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGSEGV, &action, NULL);
  if (let_cpuid_work(0) != 0) {
    fputs("avx2_only: this processor or system cannot hide instructions\n", stderr);
    exit(1);
  }
}
