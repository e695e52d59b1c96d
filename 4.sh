make install
coproc { exec qemu-system-x86_64 -accel kvm -m 512 -display none -serial null -monitor stdio -S \
	-kernel /usr/local/lib/hcpolicy/hcguest.elf -append 'share 0x100000 16; share 0x100000000 1'; }
until ls -l /proc/$COPROC_PID/fd | grep -q kvm-vm; do sleep 0.2; done
hcpolicy attach below4g --pid $COPROC_PID --name web1
hcpolicy watch web1 > events &
until grep -q begins events; do sleep 0.2; done
echo cont >&${COPROC[1]}
until grep refused events; do sleep 0.2; done
