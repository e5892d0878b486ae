/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Finding the IP header, the addresses and the ports. Every access is checked against data_end.
 * crates/wire decodes the same headers; a test compares the flow that each finds in random packets.
 */
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
#define MPLS_UNICAST 0x8847
#define MPLS_MULTICAST 0x8848
#define MPLS_BOTTOM 0x100 /* bottom-of-stack bit of a label entry */
#define PPPOE_SESSION 0x8864
#define PPP_IPV4 0x0021
#define PPP_IPV6 0x0057
#define FIRST_ETHERTYPE 0x0600 /* smaller: the length of an IEEE 802.3 frame */
#define LLC_SNAP 0xaaaa0300 /* LLC and the first byte of the organization code */
#define IPV4_FRAGMENT 0x3fff /* more-fragments flag and offset */
#define IPV6_FRAGMENT 0xfff9 /* offset and more-fragments flag */
/* IPv6 extension headers without a name in linux/in.h. */
#define EXTENSION_MOBILITY 135
#define EXTENSION_HIP 139
#define EXTENSION_SHIM6 140
#define TCP_ENDS 0x07 /* FIN, SYN, RST */

struct vlan_header {
	__be16 tci;
	__be16 next;
};

/* PPPoE session header (RFC 2516) with the PPP protocol field behind it. */
struct pppoe_header {
	__u8 version_type;
	__u8 code;
	__be16 session;
	__be16 len;
	__be16 next;
};

/* LLC and SNAP (RFC 1042) with the EtherType behind them. */
struct snap_header {
	__be32 llc;
	__be16 organization;
	__be16 next;
};

struct extension_header {
	__u8 next;
	__u8 len;
	__be16 fragment_field;
};

struct packet {
	union {
		struct {
			struct host_key src;
			struct host_key dst;
		};
		struct hosts hosts;
	};
	__u16 src_port; /* network order; 0 for fragments and where there are none */
	__u16 dst_port;
	__u16 vlans[MAX_TAGS]; /* host order, outermost first */
	__u8 vlan_count;
	__u8 proto; /* 0 for fragments */
	__u8 fragment;
	__u8 tcp_ends; /* a TCP segment with FIN, SYN or RST */
};

static __always_inline int is_vlan(__be16 proto)
{
	return proto == bpf_htons(VLAN_8021Q) || proto == bpf_htons(VLAN_8021AD) ||
	       proto == bpf_htons(VLAN_9100) || proto == bpf_htons(VLAN_9200);
}

/*
 * ::ffff:addr, written in words: what is written in bytes and read in words soon after stalls the CPU.
 */
static __always_inline void map_ipv4(struct host_key *key, __be32 addr)
{
	__u64 *half = (__u64 *)key->addr;

	half[0] = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	half[1] = (__u64)addr << 32 | 0xffff0000;
#else
	half[1] = 0xffffULL << 32 | addr;
#endif
}

/* Four words of the packet, which is not aligned for larger ones. */
static __always_inline void copy_ipv6(struct host_key *key, const struct in6_addr *addr)
{
	__u64 *half = (__u64 *)key->addr;
	const __u32 *word = addr->in6_u.u6_addr32;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	half[0] = (__u64)word[1] << 32 | word[0];
	half[1] = (__u64)word[3] << 32 | word[2];
#else
	half[0] = (__u64)word[0] << 32 | word[1];
	half[1] = (__u64)word[2] << 32 | word[3];
#endif
}

/* Furthest header from the beginning of the frame. The verifier wants less than 64 KiB. */
#define MAX_OFFSET 16384

/*
 * The same place in the packet, of which the verifier knows no more than a bound: paths that came here by
 * different headers look alike to it from here on, and it walks what follows once instead of for each.
 */
static __always_inline void *forget_path(void *data, void *at)
{
	__u64 offset = at - data;

	asm volatile("" : "+r"(offset));
	if (offset > MAX_OFFSET)
		return NULL;
	return data + offset;
}

/* IPv4 or IPv6 by the first nibble; 0 if neither. */
static __always_inline __be16 ip_by_nibble(void *at, void *end)
{
	__u8 *first = at;

	if ((void *)(first + 1) > end)
		return 0;
	if (*first >> 4 == 4)
		return bpf_htons(ETH_P_IP);
	return *first >> 4 == 6 ? bpf_htons(ETH_P_IPV6) : 0;
}

/* Behind the LLC/SNAP header of an IEEE 802.3 frame; where it was if there is none. */
static __always_inline void *skip_snap(void *at, void *end, __be16 *proto)
{
	struct snap_header *snap = at;

	if (bpf_ntohs(*proto) >= FIRST_ETHERTYPE || (void *)(snap + 1) > end ||
	    snap->llc != bpf_htonl(LLC_SNAP) || snap->organization)
		return at;
	*proto = snap->next;
	return snap + 1;
}

/* Behind a PPPoE session's header; NULL if the frame ends before. */
static __always_inline void *skip_pppoe(void *at, void *end, __be16 *proto)
{
	struct pppoe_header *ppp = at;

	if ((void *)(ppp + 1) > end)
		return NULL;
	if (ppp->next == bpf_htons(PPP_IPV4))
		*proto = bpf_htons(ETH_P_IP);
	else if (ppp->next == bpf_htons(PPP_IPV6))
		*proto = bpf_htons(ETH_P_IPV6);
	else
		*proto = 0;
	return ppp + 1;
}

/*
 * Behind the Ethernet header, VLAN tags and what may follow them, MPLS labels (RFC 3032), a PPPoE
 * session (RFC 2516) or LLC/SNAP (RFC 1042); NULL if the frame ends before. Tags are noted in p if there is one.
 */
static __always_inline void *network_header(void *data, void *end, __be16 *proto, struct packet *p)
{
	struct ethhdr *eth = data;

	if ((void *)(eth + 1) > end)
		return NULL;
	*proto = eth->h_proto;
	data = eth + 1;
#pragma unroll
	for (int i = 0; i < MAX_TAGS; i++) {
		struct vlan_header *tag = data;

		if (!is_vlan(*proto))
			break;
		if ((void *)(tag + 1) > end)
			return NULL;
		if (p) {
			p->vlans[i] = bpf_ntohs(tag->tci) & 0x0fff;
			p->vlan_count = i + 1;
		}
		*proto = tag->next;
		data = tag + 1;
	}
	if (*proto == bpf_htons(PPPOE_SESSION))
		return skip_pppoe(data, end, proto);
	if (*proto == bpf_htons(MPLS_UNICAST) || *proto == bpf_htons(MPLS_MULTICAST)) {
		*proto = 0;
#pragma unroll
		for (int i = 0; i < MAX_LABELS; i++) {
			__be32 *label = data;

			if ((void *)(label + 1) > end)
				return NULL;
			data = label + 1;
			if (*label & bpf_htonl(MPLS_BOTTOM)) {
				*proto = ip_by_nibble(data, end);
				break;
			}
		}
		return data;
	}
	return skip_snap(data, end, proto);
}

/* The addresses of an IP header. 0 if this is one. */
static __always_inline int read_hosts(void *net, void *end, __be16 proto, struct hosts *hosts)
{
	if (!net)
		return -1;
	if (proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = net;

		if ((void *)(ip + 1) > end)
			return -1;
		map_ipv4(&hosts->src, ip->saddr);
		map_ipv4(&hosts->dst, ip->daddr);
		return 0;
	}
	if (proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = net;

		if ((void *)(ip + 1) > end)
			return -1;
		copy_ipv6(&hosts->src, &ip->saddr);
		copy_ipv6(&hosts->dst, &ip->daddr);
		return 0;
	}
	return -1;
}

/* Addresses only: all that isolation needs. 0 if this is an IP packet. */
static __always_inline int parse_hosts(void *data, void *end, struct hosts *hosts)
{
	__be16 proto;
	void *net = network_header(data, end, &proto, NULL);

	return read_hosts(net, end, proto, hosts);
}

/*
 * The same of a frame whose layers are many, or in an order that nobody uses. 0 if there is an IP packet, -1 if there is
 * none, 1 if there are more layers than are looked through.
 */
static __always_inline int parse_deep(void *data, void *end, struct hosts *hosts)
{
	struct ethhdr *eth = data;
	void *at = eth + 1;
	__be16 proto;

	if (at > end)
		return -1;
	proto = eth->h_proto;
	for (int i = 0; i <= MAX_LAYERS; i++) {
		at = forget_path(data, at);
		if (!at)
			return -1;
		if (is_vlan(proto)) {
			struct vlan_header *tag = at;

			if ((void *)(tag + 1) > end)
				return -1;
			proto = tag->next;
			at = tag + 1;
		} else if (proto == bpf_htons(MPLS_UNICAST) || proto == bpf_htons(MPLS_MULTICAST)) {
			__be32 *label = at;

			if ((void *)(label + 1) > end)
				return -1;
			at = label + 1;
			if (*label & bpf_htonl(MPLS_BOTTOM)) {
				proto = ip_by_nibble(at, end);
				if (!proto)
					return -1;
			}
		} else if (proto == bpf_htons(PPPOE_SESSION)) {
			at = skip_pppoe(at, end, &proto);
			if (!at || !proto)
				return -1;
		} else {
			void *behind = skip_snap(at, end, &proto);

			if (behind == at)
				return read_hosts(at, end, proto, hosts);
			at = behind;
		}
	}
	return 1;
}

/* Ports follow for TCP, UDP and SCTP; all have source then destination first. */
static __always_inline void parse_ports(struct packet *p, void *transport, void *end)
{
	__be16 *ports = transport;
	__u8 *flags = transport + 13;

	if (p->proto != IPPROTO_TCP && p->proto != IPPROTO_UDP && p->proto != IPPROTO_SCTP)
		return;
	if ((void *)(ports + 2) > end)
		return;
	p->src_port = ports[0];
	p->dst_port = ports[1];
	if (p->proto == IPPROTO_TCP && (void *)(flags + 1) <= end)
		p->tcp_ends = *flags & TCP_ENDS;
}

/* A fragment is hashed by its addresses alone, so that all fragments of a datagram agree. */
static __always_inline void note_fragment(struct packet *p)
{
	p->fragment = 1;
	p->proto = 0;
}

/*
 * Fills p from an IP header on and says where the transport header is; NULL if this is no IP packet,
 * a fragment, or cut off before the transport header (p has the addresses then, if *is_ip).
 */
static __always_inline void *parse_ip(void *data, void *net, void *end, __be16 proto,
				      struct packet *p, int *is_ip)
{
	void *next;

	*is_ip = 0;
	p->src_port = p->dst_port = 0;
	p->tcp_ends = 0;
	net = forget_path(data, net);
	if (!net)
		return NULL;
	if (proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = net;

		if ((void *)(ip + 1) > end)
			return NULL;
		*is_ip = 1;
		map_ipv4(&p->src, ip->saddr);
		map_ipv4(&p->dst, ip->daddr);
		p->proto = ip->protocol;
		if (ip->frag_off & bpf_htons(IPV4_FRAGMENT)) {
			note_fragment(p);
			return NULL;
		}
		next = forget_path(data, net + ip->ihl * 4);
		if (!next)
			return NULL;
		parse_ports(p, next, end);
		return next;
	}
	if (proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = net;

		next = ip + 1;
		if (next > end)
			return NULL;
		*is_ip = 1;
		copy_ipv6(&p->src, &ip->saddr);
		copy_ipv6(&p->dst, &ip->daddr);
		p->proto = ip->nexthdr;
		for (int i = 0; i < MAX_EXTENSIONS; i++) {
			struct extension_header *ext = next;
			__u8 kind = p->proto;

			if (kind != IPPROTO_HOPOPTS && kind != IPPROTO_ROUTING &&
			    kind != IPPROTO_DSTOPTS && kind != IPPROTO_FRAGMENT && kind != IPPROTO_AH &&
			    kind != EXTENSION_MOBILITY && kind != EXTENSION_HIP &&
			    kind != EXTENSION_SHIM6)
				break;
			if ((void *)(ext + 1) > end)
				return NULL;
			p->proto = ext->next;
			if (kind == IPPROTO_FRAGMENT) {
				if (ext->fragment_field & bpf_htons(IPV6_FRAGMENT)) {
					note_fragment(p);
					return NULL;
				}
				next += 8;
			} else if (kind == IPPROTO_AH) {
				next += (ext->len + 2) * 4;
			} else {
				next += (ext->len + 1) * 8;
			}
			next = forget_path(data, next);
			if (!next)
				return NULL;
		}
		parse_ports(p, next, end);
		return next;
	}
	return NULL;
}

#endif
