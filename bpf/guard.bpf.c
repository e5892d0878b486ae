// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A guard port: what isolated hosts, networks and stations send or get is dropped in the driver and counted on
 * them; everything else goes on to the kernel. Works on when user space is dead; an isolation ends by itself
 * when its time has come.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "contract.h"
#include "parse.h"
#include "isolation.h"
#include "isolated.h"

/* Of all guard ports together. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct guard_counts);
} guard_counts SEC(".maps");

SEC("xdp.frags")
int rw_guard(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct guard_counts *counts;
	struct hosts hosts;
	__u32 zero = 0;
	int drop;

	counts = bpf_map_lookup_elem(&guard_counts, &zero);
	if (!counts) /* cannot be: the verifier wants to see it */
		return XDP_PASS;
	drop = parse_hosts(data, end, &hosts) ? isolated_unusual(ctx) : isolated(ctx, &hosts, OF_FRAME);
	if (drop) {
		counts->dropped++;
		if (drop == TOO_DEEP)
			counts->too_deep++;
		return XDP_DROP;
	}
	counts->passed++;
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
