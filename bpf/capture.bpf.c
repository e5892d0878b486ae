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

/* enum capture_counter. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CAPTURE_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} capture_counts SEC(".maps");

static __always_inline void count(__u32 index, __u64 n)
{
	__u64 *value = bpf_map_lookup_elem(&capture_counts, &index);

	if (value)
		*value += n;
}

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
	struct packet p;
	__u32 hash = 0;
	long action;

	count(CAPTURE_RECEIVED, 1);
	count(CAPTURE_RECEIVED_BYTES, end - data);
	if (!parse_packet(data, end, &p))
		hash = symmetric_hash(&p);
	if (!put_head(ctx, hash)) {
		count(CAPTURE_NO_HEADROOM, 1);
		return XDP_DROP;
	}
	action = bpf_redirect_map(&xsks, ctx->rx_queue_index * workers + hash % workers, XDP_DROP);
	count(action == XDP_REDIRECT ? CAPTURE_STEERED : CAPTURE_NO_SOCKET, 1);
	return action;
}

char _license[] SEC("license") = "Dual BSD/GPL";
