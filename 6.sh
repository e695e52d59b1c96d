hcpolicy tune web1 limit=0x200000000
hcpolicy replace web1 below4g --param limit=0x80000000
hcpolicy show web1
