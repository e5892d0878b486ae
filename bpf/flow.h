/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Which flow a packet belongs to: its hash, which is the same for both directions, and its key. */
#ifndef RINGWARD_FLOW_H
#define RINGWARD_FLOW_H

/* Multiply and fold: two odd constants of high quality (the fraction of the golden ratio; MurmurHash3's). */
static __always_inline __u64 endpoint_hash(const struct host_key *host, __u16 port)
{
	const __u64 *half = (const __u64 *)host->addr;
	__u64 h = half[0] * 0x9e3779b97f4a7c15ULL;

	h = (h ^ (h >> 32) ^ half[1]) * 0xff51afd7ed558ccdULL;
	h = (h ^ (h >> 32) ^ port) * 0x9e3779b97f4a7c15ULL;
	return h ^ (h >> 32);
}

/*
 * A sum of the endpoints' hashes does not know their order. Steering by it is exact, not a tendency:
 * wire::Packet::steering_hash is its twin.
 */
static __always_inline __u32 symmetric_hash(const struct packet *p)
{
	__u64 h = endpoint_hash(&p->src, p->src_port) + endpoint_hash(&p->dst, p->dst_port) + p->proto;

	h *= 0xff51afd7ed558ccdULL;
	return h >> 32;
}

/* Whether the source comes first in the key. */
static __always_inline int source_is_low(const struct packet *p)
{
	const __u64 *a = (const __u64 *)p->src.addr, *b = (const __u64 *)p->dst.addr;

	if (a[0] != b[0])
		return bpf_be64_to_cpu(a[0]) < bpf_be64_to_cpu(b[0]);
	if (a[1] != b[1])
		return bpf_be64_to_cpu(a[1]) < bpf_be64_to_cpu(b[1]);
	return bpf_ntohs(p->src_port) <= bpf_ntohs(p->dst_port);
}

/* Fills the key; 0 if the source is low, 1 if it is high. */
static __always_inline int flow_key(const struct packet *p, struct flow_key *key)
{
	int low = source_is_low(p);

	__builtin_memset(key, 0, sizeof(*key));
	key->low = low ? p->src : p->dst;
	key->high = low ? p->dst : p->src;
	key->low_port = bpf_ntohs(low ? p->src_port : p->dst_port);
	key->high_port = bpf_ntohs(low ? p->dst_port : p->src_port);
	key->vlans[0] = p->vlans[0];
	key->vlans[1] = p->vlans[1];
	key->vlan_count = p->vlan_count;
	key->proto = p->proto;
	return !low;
}

#endif
