// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The yardstick of programs: drops everything, looks at nothing. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int rw_empty(struct xdp_md *ctx)
{
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
