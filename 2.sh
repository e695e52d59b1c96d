make
hcpolicy verify ./below4g.bpf.o
