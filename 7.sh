hcpolicy detach web1
echo quit >&${COPROC[1]}
