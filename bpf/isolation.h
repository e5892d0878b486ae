/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The isolation map and the filter before it. The map: exact hosts, pinned, shared by all programs of the box. Written by
 * isolate.bpf.c and by user space (deletes), read on every packet of a guard or inline port.
 */
#ifndef RINGWARD_ISOLATION_H
#define RINGWARD_ISOLATION_H

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ISOLATION_CAPACITY);
	__type(key, struct host_key);
	__type(value, struct isolation_entry);
} isolation SEC(".maps");

/*
 * One bit a host, set before its map entry is written and never taken back: most packets are of hosts whose bit is
 * not set, and a bit costs a quarter of a look into the map. Whoever writes the map by hand: the sensor sets missing
 * bits when it looks through the map, several times a second.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, FILTER_WORDS);
	__type(key, __u32);
	__type(value, __u64);
} isolation_filter SEC(".maps");

static __always_inline __u32 filter_bit(const struct host_key *host)
{
	const __u64 *half = (const __u64 *)host->addr;

	return (half[0] * 0x9e3779b97f4a7c15ULL ^ half[1]) * 0xff51afd7ed558ccdULL >> (64 - FILTER_BITS);
}

static __always_inline int may_be_isolated(const struct host_key *host)
{
	__u32 bit = filter_bit(host);
	__u32 index = bit >> 6;
	__u64 *word = bpf_map_lookup_elem(&isolation_filter, &index);

	return word && *word >> (bit & 63) & 1;
}

/* Whether the host is isolated now; if so the packet is put on its account. */
static __always_inline int isolated(struct xdp_md *ctx, const struct host_key *host)
{
	struct isolation_entry *entry;
	__u64 now;

	if (!may_be_isolated(host))
		return 0;
	entry = bpf_map_lookup_elem(&isolation, host);
	if (!entry)
		return 0;
	/* Late by a timer tick at most, and ten times cheaper than the exact time. */
	now = bpf_ktime_get_coarse_ns();
	if (now >= entry->expires_ns)
		return 0;
	/* Several CPUs drop at once: the first to swap the zero has the first drop. */
	if (!entry->first_drop_ns)
		__sync_val_compare_and_swap(&entry->first_drop_ns, 0, bpf_ktime_get_ns());
	entry->last_drop_ns = now;
	__sync_fetch_and_add(&entry->dropped_packets, 1);
	__sync_fetch_and_add(&entry->dropped_bytes, bpf_xdp_get_buff_len(ctx));
	return 1;
}

#endif
