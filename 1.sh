hcpolicy new below4g
cd below4g
