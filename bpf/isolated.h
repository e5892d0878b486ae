/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Whether a packet is dropped. Nearly all are let by after a look at the gate; what that cannot tell is found out in
 * functions that are not static, because the verifier looks at such once and not for every path that leads there.
 */
#ifndef RINGWARD_ISOLATED_H
#define RINGWARD_ISOLATED_H

#include <linux/icmpv6.h>
#include <linux/udp.h>

/* The target is where the packet comes from; else where it goes to. */
#define FROM_TARGET 1
/* The addresses are those of the frame itself, not of what a tunnel carries. */
#define OF_FRAME 2

/* Neighbor discovery (RFC 4861): router and neighbor solicitations and advertisements, from the same link only. */
#define NDP_FIRST 133
#define NDP_ROUTER 134
#define NDP_LAST 136
#define NDP_HOP_LIMIT 255
/* Multicast listener discovery (RFC 2710, RFC 3810): queries and reports, from the same link only. */
#define MLD_QUERY 130
#define MLD_DONE 132
#define MLD_REPORT_V2 143
#define MLD_HOP_LIMIT 1
#define ROUTER_ALERT 0x05020000 /* the option, for MLD (RFC 2711) */
/*
 * Bytes of the longest packet of upkeep that a target may send: 576 is what every host takes (RFC 2131, 2), and has room
 * for a signed neighbor solicitation (RFC 3971). Reports of many groups may fill the smallest MTU of IPv6.
 */
#define MOST_UPKEEP 576
#define MOST_REPORT 1280
/* Bytes behind the packet in its frame: a tag's length less than the padding of the shortest packet. */
#define MOST_PADDING 46
#define DHCP_SERVER 67
#define DHCP_CLIENT 68
#define DHCPV6_CLIENT 546
#define DHCPV6_SERVER 547

static __always_inline int same_host(const struct host_key *a, const struct host_key *b)
{
	const __u64 *x = (const __u64 *)a->addr, *y = (const __u64 *)b->addr;

	return x[0] == y[0] && x[1] == y[1];
}

/* DHCP as it stays on the link: from clients by broadcast (RFC 2131, 4.3.2), or to clients. */
static __always_inline int is_dhcp(const struct udphdr *udp, int from_target, __be32 dst)
{
	if (from_target)
		return udp->source == bpf_htons(DHCP_CLIENT) && udp->dest == bpf_htons(DHCP_SERVER) &&
		       dst == bpf_htonl(0xffffffff);
	return udp->source == bpf_htons(DHCP_SERVER) && udp->dest == bpf_htons(DHCP_CLIENT);
}

static __always_inline int is_link_local(const struct in6_addr *addr)
{
	return (addr->in6_u.u6_addr32[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

/* The same of IPv6: from clients to All_DHCP_Relay_Agents_and_Servers, ff02::1:2, or to them from the link (RFC 8415). */
static __always_inline int is_dhcpv6(const struct udphdr *udp, int from_target, const struct ipv6hdr *ip)
{
	const __be32 *dst = ip->daddr.in6_u.u6_addr32;

	if (from_target)
		return udp->source == bpf_htons(DHCPV6_CLIENT) && udp->dest == bpf_htons(DHCPV6_SERVER) &&
		       dst[0] == bpf_htonl(0xff020000) && !dst[1] && !dst[2] && dst[3] == bpf_htonl(0x00010002);
	return udp->source == bpf_htons(DHCPV6_SERVER) && udp->dest == bpf_htons(DHCPV6_CLIENT) &&
	       is_link_local(&ip->saddr);
}

/* Neighbor discovery. Whoever is isolated is nobody's router. */
static __always_inline int is_ndp(const struct ipv6hdr *ip, __u8 type, int from_target)
{
	return ip->hop_limit == NDP_HOP_LIMIT && type >= NDP_FIRST && type <= NDP_LAST &&
	       !(from_target && type == NDP_ROUTER);
}

/*
 * Multicast listener discovery: what keeps a switch that snoops sending a host the groups that it listens to, those of
 * neighbor solicitations among them (RFC 4890, 4.4.1). Such switches take reports from any address.
 */
static __always_inline int is_mld(const struct ipv6hdr *ip, __u8 type)
{
	return ip->hop_limit == MLD_HOP_LIMIT && ip->daddr.in6_u.u6_addr8[0] == 0xff &&
	       ((type >= MLD_QUERY && type <= MLD_DONE) || type == MLD_REPORT_V2) &&
	       (type != MLD_QUERY || is_link_local(&ip->saddr));
}

/* A Hop-by-Hop header with the router alert of MLD and padding that carries nothing, before ICMPv6. */
static __always_inline int is_router_alert(const __be32 *header)
{
	__be32 first = header[0] & bpf_htonl(0xffff), second = header[1];
	__be32 padding = second & bpf_htonl(0xffff);

	if ((header[0] & bpf_htonl(0xffff0000)) != bpf_htonl(IPPROTO_ICMPV6 << 24))
		return 0;
	/* The option before the padding, or behind it: PadN or twice Pad1. */
	if (first == bpf_htonl(ROUTER_ALERT >> 16))
		return !(second & bpf_htonl(0xffff0000)) && (!padding || padding == bpf_htonl(0x0100));
	return (!first || first == bpf_htonl(0x0100)) && second == bpf_htonl(ROUTER_ALERT);
}

/* Whether the packet of this length is no longer than upkeep must be, and nothing is hidden behind it in the frame. */
static __always_inline int is_short(struct xdp_md *ctx, __u64 offset, __u64 len, __u64 most)
{
	return len <= most && bpf_xdp_get_buff_len(ctx) <= offset + len + MOST_PADDING;
}

/*
 * Whether the frame is what a host needs to have an address and to find its neighbours: ARP, neighbor discovery,
 * multicast listener discovery, DHCP on the link. What a target sends of it is short, so that it carries little else. A host that lost its address would turn up with another, and not be isolated any more.
 */
static __always_inline int is_upkeep(struct xdp_md *ctx, int from_target)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__be16 proto;
	void *net = network_header(data, end, &proto, NULL);

	if (!net)
		return 0;
	if (proto == bpf_htons(ETH_P_ARP))
		return 1;
	net = forget_path(data, net);
	if (!net)
		return 0;
	if (proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = net;
		struct udphdr *udp = net + sizeof(*ip);

		if ((void *)(udp + 1) > end || ip->ihl != 5 || ip->protocol != IPPROTO_UDP ||
		    ip->frag_off & bpf_htons(IPV4_FRAGMENT))
			return 0;
		if (from_target && !is_short(ctx, net - data, bpf_ntohs(ip->tot_len), MOST_UPKEEP))
			return 0;
		return is_dhcp(udp, from_target, ip->daddr);
	}
	if (proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = net;
		struct icmp6hdr *icmp = net + sizeof(*ip);
		__u64 len = sizeof(*ip);

		if ((void *)(icmp + 1) > end)
			return 0;
		len += bpf_ntohs(ip->payload_len);
		if (from_target && !is_short(ctx, net - data, len, MOST_REPORT))
			return 0;
		if (ip->nexthdr == IPPROTO_HOPOPTS) {
			struct icmp6hdr *behind = icmp + 1;

			return (void *)(behind + 1) <= end && is_router_alert((__be32 *)icmp) &&
			       is_mld(ip, behind->icmp6_type);
		}
		if (ip->nexthdr == IPPROTO_ICMPV6 && is_mld(ip, icmp->icmp6_type))
			return 1;
		if (from_target && len > MOST_UPKEEP)
			return 0;
		if (ip->nexthdr == IPPROTO_UDP)
			return is_dhcpv6((struct udphdr *)icmp, from_target, ip);
		return ip->nexthdr == IPPROTO_ICMPV6 && is_ndp(ip, icmp->icmp6_type, from_target);
	}
	return 0;
}

/* The whole address as a key of the tries. */
static __always_inline void network_key(struct network_key *key, const struct host_key *host)
{
	const __u64 *half = (const __u64 *)host->addr;

	key->prefix = NETWORK_FAMILY_BITS + 128;
	key->family = !half[0] && (half[1] & 0xffffffff) == bpf_htonl(0xffff) ? 4 : 6;
	__builtin_memcpy(key->addr, host->addr, sizeof(key->addr));
}

static __always_inline int is_peer(const struct target_key *target, const struct host_key *other)
{
	struct isolation_peers *known = bpf_map_lookup_elem(&isolation_peers, target);

	if (!known)
		return 0;
	for (int i = 0; i < MAX_PEERS; i++) {
		if (i >= known->count)
			break;
		if (same_host(&known->peers[i], other))
			return 1;
	}
	return 0;
}

/*
 * Whether the target, which the packet is from or to (how), is isolated from the other end now; if so the packet is put on
 * its account. hosts is NULL if the frame is not IP.
 */
__attribute__((noinline)) int rw_drops(struct xdp_md *ctx, const struct target_key *target,
				       const struct hosts *hosts, int how)
{
	const struct host_key *other = NULL;
	int from = how & FROM_TARGET;
	struct isolation_entry *entry;
	struct isolation_gate *gate;
	struct target_key key;
	__u64 now;

	gate = the_gate();
	if (!target || !gate)
		return 0;
	key = *target; /* Linux 6.1 takes keys from the stack, not from an argument */
	entry = bpf_map_lookup_elem(&isolation, &key);
	if (!entry)
		return 0;
	/* Late by a timer tick at most, and ten times cheaper than the exact time. */
	now = bpf_ktime_get_coarse_ns();
	if (now >= entry->expires_ns)
		return 0;
	if (hosts)
		other = from ? &hosts->dst : &hosts->src;
	if (entry->scope == SCOPE_OUTBOUND && !from)
		return 0;
	if (entry->scope == SCOPE_PEERS && (!other || !is_peer(&key, other)))
		return 0;
	if (gate->remediation && other) {
		struct network_key network;

		network_key(&network, other);
		if (bpf_map_lookup_elem(&isolation_remedy, &network))
			return 0;
	}
	/* A station is cut off whole, unless there are hosts that it must go on to find. */
	if (how & OF_FRAME && (key.kind != TARGET_MAC || gate->remediation) && is_upkeep(ctx, from))
		return 0;
	/* Several CPUs drop at once: the first to swap the zero has the first drop. */
	if (!entry->first_drop_ns)
		__sync_val_compare_and_swap(&entry->first_drop_ns, 0, bpf_ktime_get_ns());
	entry->last_drop_ns = now;
	__sync_fetch_and_add(&entry->dropped_packets, 1);
	__sync_fetch_and_add(&entry->dropped_bytes, bpf_xdp_get_buff_len(ctx));
	return 1;
}

/* The way from an address's smallest isolated network to its greatest. */
struct ascent {
	struct xdp_md *ctx;
	struct hosts hosts;
	struct network_key key;
	int how;
	int dropped;
};

static long ascend(__u32 step, struct ascent *way)
{
	struct target_key *found = bpf_map_lookup_elem(&isolation_networks, &way->key);
	struct target_key network;

	if (!found)
		return 1;
	network = *found;
	if (rw_drops(way->ctx, &network, &way->hosts, way->how)) {
		way->dropped = 1;
		return 1;
	}
	/* It is over, or does not go so far: one that it lies in may. */
	if (!network.prefix)
		return 1;
	way->key.prefix = NETWORK_FAMILY_BITS + network.prefix - 1;
	return 0;
}

/* Whether a network that the host is in is isolated. */
static __always_inline int in_isolated_network(struct xdp_md *ctx, const struct hosts *hosts, int how)
{
	struct ascent way = { .ctx = ctx, .hosts = *hosts, .how = how };

	network_key(&way.key, how & FROM_TARGET ? &hosts->src : &hosts->dst);
	bpf_loop(129, ascend, &way, 0); /* as many lengths as prefixes have */
	return way.dropped;
}

/* Whether the host is isolated, in every VLAN or in that of the frame. */
static __always_inline int host_drops(struct xdp_md *ctx, const struct isolation_gate *gate,
				      const struct hosts *hosts, __u16 vlan, int how)
{
	const struct host_key *host = how & FROM_TARGET ? &hosts->src : &hosts->dst;
	struct target_key target = { .vlan = EVERY_VLAN, .kind = TARGET_HOST };
	__u32 bit = filter_bit(host->addr);

	if (!(gate->filter[bit >> 6] >> (bit & 63) & 1))
		return 0;
	__builtin_memcpy(target.addr, host->addr, sizeof(target.addr));
	if (rw_drops(ctx, &target, hosts, how))
		return 1;
	if (vlan == EVERY_VLAN)
		return 0;
	target.vlan = vlan;
	return rw_drops(ctx, &target, hosts, how);
}

/* Whether the station that the frame is from or to is isolated. */
static __always_inline int station_drops(struct xdp_md *ctx, const __u8 *mac, const struct hosts *hosts, int how)
{
	struct target_key target = { .vlan = EVERY_VLAN, .kind = TARGET_MAC };

	__builtin_memcpy(target.addr, mac, ETH_ALEN);
	return rw_drops(ctx, &target, hosts, how | OF_FRAME);
}

/*
 * Whether the packet is dropped. hosts is NULL if it is not IP; of_frame is OF_FRAME if they are the addresses of the frame
 * itself, 0 if a tunnel carries them.
 */
__attribute__((noinline)) int rw_isolated(struct xdp_md *ctx, const struct hosts *hosts, int of_frame)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct isolation_gate *gate = the_gate();
	struct ethhdr *eth = data;
	struct vlan_header *tag = (void *)(eth + 1);
	__u8 macs[2 * ETH_ALEN];
	__u16 vlan = EVERY_VLAN;

	if (!gate || gate->hold || (void *)(eth + 1) > end)
		return 0;
	__builtin_memcpy(macs, eth->h_dest, sizeof(macs));
	if (is_vlan(eth->h_proto) && (void *)(tag + 1) <= end)
		vlan = bpf_ntohs(tag->tci) & 0x0fff;
	of_frame &= OF_FRAME;
	if (hosts && (host_drops(ctx, gate, hosts, vlan, of_frame | FROM_TARGET) ||
		      host_drops(ctx, gate, hosts, vlan, of_frame)))
		return 1;
	if (gate->stations && of_frame &&
	    (station_drops(ctx, macs + ETH_ALEN, hosts, FROM_TARGET) || station_drops(ctx, macs, hosts, 0)))
		return 1;
	return hosts && gate->networks &&
	       (in_isolated_network(ctx, hosts, of_frame | FROM_TARGET) ||
		in_isolated_network(ctx, hosts, of_frame));
}

static __always_inline int in_filter(const struct isolation_gate *gate, const struct host_key *host)
{
	__u32 bit = filter_bit(host->addr);

	return gate->filter[bit >> 6] >> (bit & 63) & 1;
}

/* Whether an IP packet is dropped, because of one of its ends. */
static __always_inline int isolated(struct xdp_md *ctx, const struct hosts *hosts, int of_frame)
{
	struct isolation_gate *gate = the_gate();

	if (!gate)
		return 0;
	if (!(gate->networks | gate->stations) && !in_filter(gate, &hosts->src) && !in_filter(gate, &hosts->dst))
		return 0;
	return rw_isolated(ctx, hosts, of_frame);
}

/* What is done with a frame in which no IP packet was found at first sight. */
#define NOT_ISOLATED 0
#define IS_ISOLATED 1
#define TOO_DEEP 2

/*
 * A frame in which no IP packet was found at first sight: dropped because of the addresses that a closer look finds, or of
 * the stations. While anybody is isolated it is also dropped if its layers are more than are looked through, because
 * nobody can say whose it is.
 */
__attribute__((noinline)) int rw_unusual(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct isolation_gate *gate = the_gate();
	struct hosts hosts;
	int found;

	if (!gate || gate->hold)
		return NOT_ISOLATED;
	found = parse_deep(data, end, &hosts);
	if (!found)
		return rw_isolated(ctx, &hosts, OF_FRAME);
	if (gate->stations && rw_isolated(ctx, NULL, OF_FRAME))
		return IS_ISOLATED;
	return found > 0 && bpf_ktime_get_coarse_ns() < gate->latest_ns ? TOO_DEEP : NOT_ISOLATED;
}

/* The same, asked only if there is somebody who may be isolated. */
static __always_inline int isolated_unusual(struct xdp_md *ctx)
{
	struct isolation_gate *gate = the_gate();

	return gate && (gate->stations | gate->latest_ns) ? rw_unusual(ctx) : NOT_ISOLATED;
}

#endif
