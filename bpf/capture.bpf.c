// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A capture port: every frame goes to the AF_XDP socket of the worker that owns its flow, nothing
 * goes to the host. Several sockets share a queue; the symmetric hash picks among them, so both
 * directions of a flow meet at one worker whatever the NIC's RSS does.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "contract.h"
#include "parse.h"

/* Workers that share the port; set before load, never 0. */
const volatile __u32 workers = 1;

/* Socket of worker w on queue q at index q * workers + w. */
struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, XSKS_CAPACITY);
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct capture_counts);
} capture_counts SEC(".maps");

/* Puts the frame's head before it: when it came and what it hashed to. False without headroom. */
static __always_inline int put_head(struct xdp_md *ctx, __u32 hash)
{
	struct frame_head *head;

	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(*head)))
		return 0;
	head = (void *)(long)ctx->data;
	if ((void *)(head + 1) > (void *)(long)ctx->data_end)
		return 0;
	head->arrival_ns = bpf_ktime_get_ns();
	head->hash = hash;
	head->reserved = 0;
	return 1;
}

SEC("xdp")
int rw_capture(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct capture_counts *counts;
	struct packet p;
	__u32 hash = 0;
	__u32 zero = 0;
	long action;

	counts = bpf_map_lookup_elem(&capture_counts, &zero);
	if (!counts) /* cannot be: the verifier wants to see it */
		return XDP_ABORTED;
	counts->received++;
	counts->received_bytes += end - data;
	if (!parse_packet(data, end, &p))
		hash = symmetric_hash(&p);
	if (!put_head(ctx, hash)) {
		counts->no_headroom++;
		return XDP_DROP;
	}
	action = bpf_redirect_map(&xsks, ctx->rx_queue_index * workers + hash % workers, XDP_DROP);
	if (action == XDP_REDIRECT)
		counts->steered++;
	else
		counts->no_socket++;
	return action;
}

char _license[] SEC("license") = "Dual BSD/GPL";
