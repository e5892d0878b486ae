/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Finding the packet inside of a tunnel: IP-in-IP, 6in4, GRE, VXLAN, GENEVE, GTP-U. Others
 * (PPTP, ERSPAN, Teredo) are opened by the workers and steered by their own addresses; crates/wire/src/tunnel.rs. */
#ifndef RINGWARD_TUNNEL_H
#define RINGWARD_TUNNEL_H

#include <linux/udp.h>

#define VXLAN_PORT 4789 /* RFC 7348 */
#define GENEVE_PORT 6081 /* RFC 8926 */
#define GTP_U_PORT 2152 /* 3GPP TS 29.281 */
#define GRE_CHECKSUM 0x8000
#define GRE_KEY 0x2000
#define GRE_SEQUENCE 0x1000
#define GRE_VERSION 0x0007
#define TRANSPARENT_ETHERNET 0x6558
#define GTP_G_PDU 255
#define GTP_FLAGS 0x07 /* extension, sequence, N-PDU: four more bytes */
#define GTP_EXTENSION 0x04
#define GTP_VERSION 0xf0 /* version 1, protocol type GTP */
/* GTP-U extension headers that are walked. */
#define MAX_GTP_EXTENSIONS 2

struct gre_header {
	__be16 flags;
	__be16 proto;
};

struct geneve_header {
	__u8 version_options; /* length of the options in units of four, lower six bits */
	__u8 flags;
	__be16 proto;
	__be32 vni;
};

struct gtp_header {
	__u8 flags;
	__u8 type;
	__be16 len;
	__be32 teid;
};

struct gtp_options {
	__be16 sequence;
	__u8 n_pdu;
	__u8 next;
};

static __always_inline void *gtp_inner(void *at, void *end, __be16 *proto)
{
	struct gtp_header *gtp = at;
	struct gtp_options *options;
	__u8 next = 0;

	if ((void *)(gtp + 1) > end || gtp->type != GTP_G_PDU || (gtp->flags & GTP_VERSION) != 0x30)
		return NULL;
	at = gtp + 1;
	if (gtp->flags & GTP_FLAGS) {
		options = at;
		if ((void *)(options + 1) > end)
			return NULL;
		if (gtp->flags & GTP_EXTENSION)
			next = options->next;
		at = options + 1;
	}
	for (int i = 0; i < MAX_GTP_EXTENSIONS; i++) {
		__u8 *len = at;

		if (!next)
			break;
		if ((void *)(len + 1) > end || !*len)
			return NULL;
		at += *len * 4;
		len = at;
		if ((void *)len > end)
			return NULL;
		next = *(len - 1);
	}
	if (next)
		return NULL;
	*proto = ip_by_nibble(at, end);
	return at;
}

/* Whether a packet can be a tunnel that is opened: a guess that costs next to nothing, and is never wrong with no. */
static __always_inline int may_be_tunnel(const struct packet *p)
{
	if (p->proto == IPPROTO_UDP)
		return p->dst_port == bpf_htons(VXLAN_PORT) || p->dst_port == bpf_htons(GENEVE_PORT) ||
		       p->dst_port == bpf_htons(GTP_U_PORT);
	return p->proto == IPPROTO_GRE || p->proto == IPPROTO_IPIP || p->proto == IPPROTO_IPV6;
}

/* What lies inside of the packet p, whose transport header is at `at`; NULL if it is no tunnel. */
static __always_inline void *inner_header(struct packet *p, void *at, void *end, __be16 *proto)
{
	__be16 inner;

	if (p->proto == IPPROTO_IPIP || p->proto == IPPROTO_IPV6) {
		*proto = p->proto == IPPROTO_IPIP ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
		return at;
	}
	if (p->proto == IPPROTO_GRE) {
		struct gre_header *gre = at;

		if ((void *)(gre + 1) > end || gre->flags & bpf_htons(GRE_VERSION))
			return NULL;
		at = gre + 1;
		if (gre->flags & bpf_htons(GRE_CHECKSUM))
			at += 4;
		if (gre->flags & bpf_htons(GRE_KEY))
			at += 4;
		if (gre->flags & bpf_htons(GRE_SEQUENCE))
			at += 4;
		inner = gre->proto;
	} else if (p->proto == IPPROTO_UDP && p->dst_port == bpf_htons(VXLAN_PORT)) {
		at += sizeof(struct udphdr) + 8;
		inner = bpf_htons(TRANSPARENT_ETHERNET);
	} else if (p->proto == IPPROTO_UDP && p->dst_port == bpf_htons(GENEVE_PORT)) {
		struct geneve_header *geneve = at + sizeof(struct udphdr);

		if ((void *)(geneve + 1) > end)
			return NULL;
		at = (void *)(geneve + 1) + (geneve->version_options & 0x3f) * 4;
		inner = geneve->proto;
	} else if (p->proto == IPPROTO_UDP && p->dst_port == bpf_htons(GTP_U_PORT)) {
		return gtp_inner(at + sizeof(struct udphdr), end, proto);
	} else {
		return NULL;
	}
	if (inner == bpf_htons(TRANSPARENT_ETHERNET))
		return network_header(at, end, proto, NULL);
	*proto = inner;
	return at;
}

#endif
