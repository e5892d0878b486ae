/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The isolation map: exact hosts, pinned, shared by all programs of the box. Written by
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

/* Whether the host is isolated now; if so the packet is put on its account. */
static __always_inline int isolated(const struct host_key *host, __u64 bytes)
{
	struct isolation_entry *entry = bpf_map_lookup_elem(&isolation, host);
	__u64 now;

	if (!entry)
		return 0;
	now = bpf_ktime_get_ns();
	if (now >= entry->expires_ns)
		return 0;
	/* Several CPUs drop at once: the first to swap the zero has the first drop. */
	if (!entry->first_drop_ns)
		__sync_val_compare_and_swap(&entry->first_drop_ns, 0, now);
	entry->last_drop_ns = now;
	__sync_fetch_and_add(&entry->dropped_packets, 1);
	__sync_fetch_and_add(&entry->dropped_bytes, bytes);
	return 1;
}

#endif
