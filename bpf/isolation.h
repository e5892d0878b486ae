/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The isolation maps: pinned, shared by all programs of the box. Entries are written by isolate.bpf.c and deleted by user
 * space; isolated.h reads them on every packet of a guard or inline port.
 */
#ifndef RINGWARD_ISOLATION_H
#define RINGWARD_ISOLATION_H

/* Every target's entry, exact. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ISOLATION_CAPACITY);
	__type(key, struct target_key);
	__type(value, struct isolation_entry);
} isolation SEC(".maps");

/*
 * The counts and the filter: most packets are of hosts whose bit is not set, and a bit costs a quarter of a look into the
 * map. Whoever writes the map by hand: the sensor sets missing bits when it looks through the map, several times a second.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct isolation_gate);
} isolation_gate SEC(".maps");

/* An address's longest isolated network: the key of its entry. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, NETWORKS_CAPACITY);
	__type(key, struct network_key);
	__type(value, struct target_key);
} isolation_networks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PEERS_CAPACITY);
	__type(key, struct target_key);
	__type(value, struct isolation_peers);
} isolation_peers SEC(".maps");

/* Networks that isolated hosts still reach, and are reached from. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, REMEDIATION_CAPACITY);
	__type(key, struct network_key);
	__type(value, __u32);
} isolation_remedy SEC(".maps");

static __always_inline struct isolation_gate *the_gate(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&isolation_gate, &zero);
}

static __always_inline __u32 filter_bit(const void *addr)
{
	const __u64 *half = addr;

	return (half[0] * 0x9e3779b97f4a7c15ULL ^ half[1]) * 0xff51afd7ed558ccdULL >> (64 - FILTER_BITS);
}

#endif
