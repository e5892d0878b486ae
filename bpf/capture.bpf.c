// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Capture and inline ports: every frame goes to the AF_XDP socket of the worker that owns its flow.
 * Several sockets share a queue; the symmetric hash picks among them, so both directions of a flow meet
 * at one worker whatever the NIC's RSS does. Frames of bypassed flows are counted and go no further.
 *
 * A capture port hands nothing to the host. An inline port is one end of a wire: what the workers do not
 * take goes on to the other end, what isolated hosts send or get does not. It needs no daemon for either.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "contract.h"
#include "parse.h"
#include "tunnel.h"
#include "flow.h"
#include "isolation.h"
#include "isolated.h"

/* Sockets that share a queue; set before load, never 0. */
const volatile __u32 workers = 1;
/* Bytes of the longest frame that packet memory takes; longer ones are cut. */
const volatile __u32 max_frame = 1776;
/* Whether frames may lie in several buffers: then their length is not end less beginning. */
const volatile __u8 multi_buffer = 0;
/* Whether flows inside of tunnels are steered by the inner flow. */
const volatile __u8 tunnels = 0;
/* Inline: whether frames are dropped when no worker takes them, instead of sent on. */
const volatile __u8 fail_closed = 0;
/* TAI - UTC in nanoseconds, for NICs whose clock runs on UTC. */
const volatile __u64 tai_offset_ns = 37000000000ULL;

/* Socket of worker w on queue q at index q * workers + w. */
struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, XSKS_CAPACITY);
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, QUEUES_CAPACITY);
	__type(key, __u32);
	__type(value, struct capture_counts);
} capture_counts SEC(".maps");

/* Inline: the other end of the wire. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} other_end SEC(".maps");

/* Shared by all ports of a sensor: a flow may come by several. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BYPASS_CAPACITY);
	__type(key, struct flow_key);
	__type(value, struct bypass_entry);
} bypass SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, BYPASS_CAPACITY);
	__type(key, __u32);
	__type(value, struct bypass_slot);
} bypass_slots SEC(".maps");

/* When the NIC got the frame, on its own clock; -errno if it does not say. Linux 6.3. */
extern int bpf_xdp_metadata_rx_timestamp(const struct xdp_md *ctx, __u64 *timestamp) __ksym __weak;

/* A NIC's clock that is further off than this is not synchronised. */
#define MAX_CLOCK_ERROR_NS 1000000000LL

/*
 * The arrival on CLOCK_MONOTONIC. The NIC's stamp says how long ago that was if its clock runs on TAI
 * (what PTP distributes) or UTC; otherwise it is now.
 */
static __always_inline __u64 arrival(struct xdp_md *ctx, struct capture_counts *counts, int nic_time)
{
	__u64 now = bpf_ktime_get_ns();
	__u64 stamp;
	__s64 age;

	if (!nic_time || bpf_xdp_metadata_rx_timestamp(ctx, &stamp) || !stamp)
		return now;
	age = bpf_ktime_get_tai_ns() - stamp;
	if (age > MAX_CLOCK_ERROR_NS || age < -MAX_CLOCK_ERROR_NS)
		age -= tai_offset_ns;
	if (age > MAX_CLOCK_ERROR_NS || age < -MAX_CLOCK_ERROR_NS)
		return now;
	counts->nic_time++;
	return now - age;
}

static __always_inline __u64 frame_len(struct xdp_md *ctx)
{
	return multi_buffer ? bpf_xdp_get_buff_len(ctx) : ctx->data_end - ctx->data;
}

/*
 * Cuts the frame to what packet memory takes and puts its head before it: when it came and what it hashed
 * to. False without headroom.
 */
static __always_inline int put_head(struct xdp_md *ctx, __u64 len, __u64 arrival_ns, __u32 hash)
{
	struct frame_head *head;

	if (len > max_frame && bpf_xdp_adjust_tail(ctx, (int)max_frame - (int)len))
		return 0;
	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(*head)))
		return 0;
	head = (void *)(long)ctx->data;
	if ((void *)(head + 1) > (void *)(long)ctx->data_end)
		return 0;
	head->arrival_ns = arrival_ns;
	head->hash = hash;
	head->wire_len = len;
	return 1;
}

static __always_inline struct capture_counts *count_frame(struct xdp_md *ctx, __u64 len)
{
	__u32 queue = ctx->rx_queue_index;
	struct capture_counts *counts;

	if (queue >= QUEUES_CAPACITY)
		queue = QUEUES_CAPACITY - 1;
	counts = bpf_map_lookup_elem(&capture_counts, &queue);
	if (counts) {
		counts->received++;
		counts->received_bytes += len;
	}
	return counts;
}

/* The packet's outermost flow; 0 if there is an IP packet at all. p must be zeroes. */
static __always_inline int parse_flow(struct xdp_md *ctx, struct packet *p)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__be16 proto;
	int is_ip;
	void *at = network_header(data, end, &proto, p);

	if (!at)
		return -1;
	parse_ip(data, at, end, proto, p, &is_ip);
	return is_ip ? 0 : -1;
}

/*
 * The packet's innermost flow, and the outermost packet. 0 if there is an IP packet at all. Both must be zeroes. A
 * function of its own, and not static, because the verifier looks at such once and not for every path that follows.
 */
__attribute__((noinline)) int rw_parse_innermost(struct xdp_md *ctx, struct packet *p,
						 struct packet *outer)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__be16 proto;
	void *at;
	int is_ip;

	if (!p || !outer) /* cannot be: the verifier wants to see it */
		return -1;
	at = network_header(data, end, &proto, p);
	if (!at)
		return -1;
	at = parse_ip(data, at, end, proto, p, &is_ip);
	if (!is_ip)
		return -1;
	*outer = *p;
	for (int i = 0; i < MAX_TUNNELS; i++) {
		struct packet inner = *p;

		if (!at)
			break;
		at = inner_header(p, at, end, &proto);
		if (!at)
			break;
		at = parse_ip(data, at, end, proto, &inner, &is_ip);
		if (!is_ip)
			break;
		*p = inner;
	}
	return 0;
}

/*
 * The packet's flow. 0 if there is an IP packet at all; 1 if it is in a tunnel that is opened: outer has the
 * outermost packet then. Most packets are in no tunnel, so that is looked at first.
 */
static __always_inline int find_flow(struct xdp_md *ctx, struct packet *p, struct packet *outer)
{
	if (parse_flow(ctx, p))
		return -1;
	if (!tunnels || !may_be_tunnel(p))
		return 0;
	__builtin_memset(outer, 0, sizeof(*outer));
	return rw_parse_innermost(ctx, p, outer) ? -1 : 1;
}

/* The hash scaled to the number of workers: cheaper than the remainder, and as even. */
static __always_inline __u32 worker_of(__u32 hash)
{
	return (__u64)hash * workers >> 32;
}

/* Whether the frame's flow is bypassed; if so it is put on the flow's account. */
static __always_inline int bypassed(const struct packet *p, __u64 len,
				    struct capture_counts *counts)
{
	struct bypass_entry *entry;
	struct bypass_slot *slot;
	struct flow_key key;
	__u32 index = BYPASS_STATE_SLOT;
	int from;

	slot = bpf_map_lookup_elem(&bypass_slots, &index);
	/* A flow's end is its worker's business. */
	if (!slot || !slot->packets[0] || p->fragment || p->tcp_ends)
		return 0;
	from = flow_key(p, &key);
	entry = bpf_map_lookup_elem(&bypass, &key);
	if (!entry)
		return 0;
	index = entry->slot;
	slot = bpf_map_lookup_elem(&bypass_slots, &index);
	if (!slot)
		return 0;
	__sync_fetch_and_add(&slot->packets[from & 1], 1);
	__sync_fetch_and_add(&slot->bytes[from & 1], len);
	/* To a timer tick, which is enough for timeouts. */
	slot->last_ns = bpf_ktime_get_coarse_ns();
	if (entry->reason == BYPASS_SHED)
		counts->shed++;
	else
		counts->bypassed++;
	return 1;
}

static __always_inline int capture(struct xdp_md *ctx, int nic_time)
{
	__u64 len = frame_len(ctx);
	struct capture_counts *counts = count_frame(ctx, len);
	struct packet p = {}, outer;
	__u32 hash = 0;
	long action;

	if (!counts) /* cannot be: the verifier wants to see it */
		return XDP_ABORTED;
	if (find_flow(ctx, &p, &outer) >= 0) {
		if (bypassed(&p, len, counts))
			return XDP_DROP;
		hash = symmetric_hash(&p);
	}
	if (!put_head(ctx, len, arrival(ctx, counts, nic_time), hash)) {
		counts->no_headroom++;
		return XDP_DROP;
	}
	action = bpf_redirect_map(&xsks, ctx->rx_queue_index * workers + worker_of(hash), XDP_DROP);
	if (action == XDP_REDIRECT)
		counts->steered++;
	else
		counts->no_socket++;
	return action;
}

static __always_inline int send_on(struct capture_counts *counts)
{
	counts->passed++;
	return bpf_redirect_map(&other_end, 0, XDP_DROP);
}

/* Whether the packet, or one that it carries, is of somebody who is isolated; found and the rest as find_flow says. */
static __always_inline int must_drop(struct xdp_md *ctx, int found, struct packet *p, struct packet *outer)
{
	if (found < 0)
		return isolated_unusual(ctx);
	if (!found)
		return isolated(ctx, &p->hosts, OF_FRAME);
	return isolated(ctx, &p->hosts, 0) || isolated(ctx, &outer->hosts, OF_FRAME);
}

static __always_inline int inline_port(struct xdp_md *ctx, int nic_time)
{
	__u64 len = frame_len(ctx);
	struct capture_counts *counts = count_frame(ctx, len);
	struct packet p = {}, outer;
	__u32 hash = 0, index;
	int found, drop;

	if (!counts) /* cannot be: the verifier wants to see it */
		return XDP_ABORTED;
	found = find_flow(ctx, &p, &outer);
	drop = must_drop(ctx, found, &p, &outer);
	if (drop) {
		counts->isolated++;
		if (drop == TOO_DEEP)
			counts->too_deep++;
		return XDP_DROP;
	}
	if (found >= 0) {
		if (bypassed(&p, len, counts))
			return bpf_redirect_map(&other_end, 0, XDP_DROP);
		hash = symmetric_hash(&p);
	}
	/* Looked up before the head is put: without a worker the frame must go on as it is. */
	index = ctx->rx_queue_index * workers + worker_of(hash);
	if (!bpf_map_lookup_elem(&xsks, &index)) {
		if (!fail_closed)
			return send_on(counts);
		counts->no_socket++;
		return XDP_DROP;
	}
	/* What packet memory cannot take whole is not inspected: cut, it could not be sent on. */
	if (len > max_frame)
		return send_on(counts);
	if (!put_head(ctx, len, arrival(ctx, counts, nic_time), hash)) {
		counts->no_headroom++;
		return XDP_DROP;
	}
	counts->steered++;
	return bpf_redirect_map(&xsks, index, XDP_DROP);
}

SEC("xdp")
int rw_capture(struct xdp_md *ctx)
{
	return capture(ctx, 0);
}

/* For devices whose driver hands the NIC's time over: loaded for that device alone. */
SEC("xdp")
int rw_capture_nic(struct xdp_md *ctx)
{
	return capture(ctx, 1);
}

SEC("xdp")
int rw_inline(struct xdp_md *ctx)
{
	return inline_port(ctx, 0);
}

SEC("xdp")
int rw_inline_nic(struct xdp_md *ctx)
{
	return inline_port(ctx, 1);
}

char _license[] SEC("license") = "Dual BSD/GPL";
