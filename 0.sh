make
make install
hcpolicy probe
