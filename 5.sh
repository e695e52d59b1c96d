hcpolicy ranges web1
hcpolicy show web1
