/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Finding the IP header, the addresses and the ports. Every access is checked against data_end. */
#ifndef RINGWARD_PARSE_H
#define RINGWARD_PARSE_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#define VLAN_8021Q 0x8100
#define VLAN_8021AD 0x88a8
#define VLAN_9100 0x9100
#define VLAN_9200 0x9200
#define IPV4_FRAGMENT 0x3fff /* more-fragments flag and offset */
#define IPV6_FRAGMENT 0xfff9 /* offset and more-fragments flag */

struct vlan_header {
	__be16 tci;
	__be16 next;
};

struct extension_header {
	__u8 next;
	__u8 len;
	__be16 fragment_field;
};

struct packet {
	struct host_key src;
	struct host_key dst;
	__u16 src_port; /* network order; 0 for fragments and where there are none */
	__u16 dst_port;
	__u8 proto;
};

static __always_inline int is_vlan(__be16 proto)
{
	return proto == bpf_htons(VLAN_8021Q) || proto == bpf_htons(VLAN_8021AD) ||
	       proto == bpf_htons(VLAN_9100) || proto == bpf_htons(VLAN_9200);
}

static __always_inline void map_ipv4(struct host_key *key, __be32 addr)
{
	__builtin_memset(key->addr, 0, 10);
	key->addr[10] = 0xff;
	key->addr[11] = 0xff;
	__builtin_memcpy(&key->addr[12], &addr, 4);
}

/* Behind the Ethernet header and VLAN tags; NULL if the frame ends before. */
static __always_inline void *network_header(void *data, void *end, __be16 *proto)
{
	struct ethhdr *eth = data;

	if ((void *)(eth + 1) > end)
		return NULL;
	*proto = eth->h_proto;
	data = eth + 1;
#pragma unroll
	for (int i = 0; i < MAX_VLANS; i++) {
		struct vlan_header *tag = data;

		if (!is_vlan(*proto))
			break;
		if ((void *)(tag + 1) > end)
			return NULL;
		*proto = tag->next;
		data = tag + 1;
	}
	return data;
}

/* Addresses only: all that isolation needs. 0 if this is an IP packet. */
static __always_inline int parse_hosts(void *data, void *end, struct host_key *src,
				       struct host_key *dst)
{
	__be16 proto;
	void *net = network_header(data, end, &proto);

	if (!net)
		return -1;
	if (proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = net;

		if ((void *)(ip + 1) > end)
			return -1;
		map_ipv4(src, ip->saddr);
		map_ipv4(dst, ip->daddr);
		return 0;
	}
	if (proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = net;

		if ((void *)(ip + 1) > end)
			return -1;
		__builtin_memcpy(src, &ip->saddr, sizeof(*src));
		__builtin_memcpy(dst, &ip->daddr, sizeof(*dst));
		return 0;
	}
	return -1;
}

/* Ports follow for TCP, UDP, SCTP and their like; all have source then destination first. */
static __always_inline void parse_ports(struct packet *p, void *transport, void *end)
{
	__be16 *ports = transport;

	if (p->proto != IPPROTO_TCP && p->proto != IPPROTO_UDP && p->proto != IPPROTO_SCTP)
		return;
	if ((void *)(ports + 2) > end)
		return;
	p->src_port = ports[0];
	p->dst_port = ports[1];
}

/* Fills p; 0 if this is an IP packet. Fragments get no ports, so that all of a datagram's agree. */
static __always_inline int parse_packet(void *data, void *end, struct packet *p)
{
	__be16 proto;
	void *net = network_header(data, end, &proto);

	__builtin_memset(p, 0, sizeof(*p));
	if (!net)
		return -1;
	if (proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = net;

		if ((void *)(ip + 1) > end)
			return -1;
		map_ipv4(&p->src, ip->saddr);
		map_ipv4(&p->dst, ip->daddr);
		p->proto = ip->protocol;
		if (!(ip->frag_off & bpf_htons(IPV4_FRAGMENT)))
			parse_ports(p, net + ip->ihl * 4, end);
		return 0;
	}
	if (proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = net;
		void *next = ip + 1;

		if (next > end)
			return -1;
		__builtin_memcpy(&p->src, &ip->saddr, sizeof(p->src));
		__builtin_memcpy(&p->dst, &ip->daddr, sizeof(p->dst));
		p->proto = ip->nexthdr;
#pragma unroll
		for (int i = 0; i < MAX_EXTENSIONS; i++) {
			struct extension_header *ext = next;

			if (p->proto != IPPROTO_HOPOPTS && p->proto != IPPROTO_ROUTING &&
			    p->proto != IPPROTO_DSTOPTS && p->proto != IPPROTO_FRAGMENT)
				break;
			if ((void *)(ext + 1) > end)
				return 0;
			if (p->proto == IPPROTO_FRAGMENT) {
				p->proto = ext->next;
				if (ext->fragment_field & bpf_htons(IPV6_FRAGMENT))
					return 0;
				next += 8;
			} else {
				p->proto = ext->next;
				next += (ext->len + 1) * 8;
			}
		}
		parse_ports(p, next, end);
		return 0;
	}
	return -1;
}

/* Multiply and fold: two odd constants of high quality (the fraction of the golden ratio; MurmurHash3's). */
static __always_inline __u64 endpoint_hash(const struct host_key *host, __u16 port)
{
	const __u64 *half = (const __u64 *)host->addr;
	__u64 h = half[0] * 0x9e3779b97f4a7c15ULL;

	h = (h ^ (h >> 32) ^ half[1]) * 0xff51afd7ed558ccdULL;
	h = (h ^ (h >> 32) ^ port) * 0x9e3779b97f4a7c15ULL;
	return h ^ (h >> 32);
}

/* The same for both directions: a sum of the endpoints' hashes does not know their order. */
static __always_inline __u32 symmetric_hash(const struct packet *p)
{
	__u64 h = endpoint_hash(&p->src, p->src_port) + endpoint_hash(&p->dst, p->dst_port) + p->proto;

	h *= 0xff51afd7ed558ccdULL;
	return h >> 32;
}

#endif
