/* The boot sector of the sample disks: prints its marker and a sum over its data on COM1, then echoes what it hears.
   as --32 -o b.o bootsector.S; ld -m elf_i386 -Ttext=0x7c00 --oformat=binary -o b.bin b.o; the first 269 bytes are in bootdisk.py. */
.code16
.global _start
_start:
  cli; xor %ax,%ax; mov %ax,%ds; mov %ax,%es; mov %ax,%ss; mov $0x7c00,%sp; sti
  mov %dl,drive
  mov $dap,%si; mov $0x42,%ah; int $0x13; jc fail          # LBA 1 -> 0x8000: marker, then first LBA, chunk count
  mov $m1,%si; call puts; mov $0x8000,%si; call puts; call nl
  mov 0x8100,%eax; mov %eax,dap+8; mov 0x8104,%ecx
  movw $64,dap+2; movw $0x1000,dap+6; movw $0,dap+4        # 32 KiB at a time to 0x10000
  xor %ebx,%ebx
1: push %cx; push %ebx; mov drive,%dl; mov $dap,%si; mov $0x42,%ah; int $0x13; pop %ebx; jc fail
  push %ds; mov $0x1000,%ax; mov %ax,%ds; xor %si,%si; mov $8192,%cx
2: lodsl; add %eax,%ebx; loop 2b
  pop %ds; addl $64,dap+8; pop %cx; loop 1b
  mov $m2,%si; call puts; mov $8,%cx
3: rol $4,%ebx; mov %bl,%al; and $15,%al; cmp $10,%al; jb 4f; add $39,%al
4: add $48,%al; call putc; loop 3b
  call nl; mov $m3,%si; call puts
echo: mov $0x3fd,%dx; in %dx,%al; test $1,%al; jz echo; mov $0x3f8,%dx; in %dx,%al; call putc; jmp echo
fail: mov $m4,%si; call puts; jmp echo
nl: mov $13,%al; call putc; mov $10,%al
putc: push %dx; push %ax; mov $0x3fd,%dx
5: in %dx,%al; test $0x20,%al; jz 5b
  pop %ax; mov $0x3f8,%dx; out %al,%dx; pop %dx; ret
puts: lodsb; test %al,%al; jz 6f; call putc; jmp puts
6: ret
m1: .asciz "MARKER "
m2: .asciz "SUM32 "
m3: .asciz "READY\r\n"
m4: .asciz "READ-FAILED\r\n"
drive: .byte 0x80
.balign 4
dap: .byte 16,0; .word 1; .word 0x8000,0; .quad 1
.org 510
.word 0xaa55
