/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The contract with user space: map keys and values, frame metadata, counters, limits.
 * crates/capture/src/layout.rs is the other signatory; its tests compare sizes and offsets.
 * All times are CLOCK_MONOTONIC nanoseconds (bpf_ktime_get_ns). All integers are host byte order
 * unless said otherwise.
 */
#ifndef RINGWARD_CONTRACT_H
#define RINGWARD_CONTRACT_H

/* Targets (hosts, networks, stations) that can be isolated at once unless the configuration says otherwise. */
#define ISOLATION_CAPACITY 100000
/* Networks of them. */
#define NETWORKS_CAPACITY 16384
/* Targets that can be cut off from named peers only, and how many peers each can have. */
#define PEERS_CAPACITY 4096
#define MAX_PEERS 16
/* Networks that isolated hosts still reach. */
#define REMEDIATION_CAPACITY 1024
/* Words of 64 bits of the filter before the isolation map: 2^21 bits, of which 100,000 hosts set one in twenty. */
#define FILTER_WORDS 32768
#define FILTER_BITS 21
/* Sockets (queues x workers) of one capture port at most. */
#define XSKS_CAPACITY 1024
/* Queues of a port that are counted one by one; what comes by a later one counts with the last. */
#define QUEUES_CAPACITY 256
/* Flows that can be bypassed at once unless the configuration says otherwise. */
#define BYPASS_CAPACITY 65536
/* VLAN tags that are skipped to find the IP header. */
#define MAX_VLANS 2 /* in a flow key: flows with more tags are not bypassed */
#define MAX_TAGS 3 /* that are skipped before the IP header */
/* MPLS labels that are skipped. */
#define MAX_LABELS 4
/* Tags, labels and other layers that isolation looks through to find the addresses, where MAX_TAGS and MAX_LABELS end. */
#define MAX_LAYERS 16
/* IPv6 extension headers that are walked to find the ports. */
#define MAX_EXTENSIONS 8
/* Tunnels within tunnels that are opened to find the flow. */
#define MAX_TUNNELS 2

/* An address: IPv6 in network order, IPv4 as ::ffff:a.b.c.d. */
struct host_key {
	__u8 addr[16] __attribute__((aligned(8)));
};

/* Source and destination of a packet. */
struct hosts {
	struct host_key src;
	struct host_key dst;
};

/* What a target is: target_key.kind. */
#define TARGET_HOST 0
#define TARGET_NETWORK 1
#define TARGET_MAC 2
/* target_key.vlan of a target in every VLAN. */
#define EVERY_VLAN 0xffff

/* Whom an isolation is of. */
struct target_key {
	__u8 addr[16] __attribute__((aligned(8))); /* as in host_key; of a station: its MAC address, then zeroes */
	__u16 vlan; /* outermost tag of a host's frames, or EVERY_VLAN */
	__u8 kind;
	__u8 prefix; /* of a network, counted from the first bit of addr: 96 more than IPv4's own */
	__u32 zero;
};

/* Key of the tries of networks. IPv4 is a family of its own: ::/0 has every IPv6 address in it and no other. */
struct network_key {
	__u32 prefix; /* NETWORK_FAMILY_BITS more than target_key.prefix */
	__u32 family; /* 4 or 6 */
	__u8 addr[16];
};
#define NETWORK_FAMILY_BITS 32

/* How far an isolation goes: isolation_entry.scope. */
#define SCOPE_BOTH 0 /* nothing from and nothing to the target */
#define SCOPE_OUTBOUND 1 /* nothing from it */
#define SCOPE_PEERS 2 /* nothing between it and its peers */

/* One isolation; a cache line. The XDP program itself ends it at expires_ns, or a timer tick later. */
struct isolation_entry {
	__u64 expires_ns;
	__u64 since_ns;
	__u64 dropped_packets;
	__u64 dropped_bytes;
	__u64 first_drop_ns; /* 0: nothing dropped yet */
	__u64 last_drop_ns; /* to a timer tick: may lie before first_drop_ns by as much */
	__u64 scope;
	__u64 reserved;
};

/* The hosts that a target of SCOPE_PEERS is cut off from. */
struct isolation_peers {
	__u64 count;
	struct host_key peers[MAX_PEERS];
};

/*
 * What every packet is asked first. The counts may be too high (a sensor that died counted, and did not write), never
 * too low.
 */
struct isolation_gate {
	__u64 hold; /* not 0: the kill switch is on. Nothing is dropped, and nothing written */
	__u64 networks; /* entries of networks */
	__u64 stations; /* entries of MAC addresses */
	__u64 remediation; /* networks that stay reachable */
	__u64 latest_ns; /* the latest end of all isolations since the map was empty last; 0: it is empty */
	__u64 reserved[3];
	__u64 filter[FILTER_WORDS]; /* one bit a host, set before its entry is written and never taken back */
};

/*
 * The first bytes of every steered frame, put before the packet with bpf_xdp_adjust_head. Not XDP
 * metadata: that is optional in drivers, and nothing tells a socket whether it is there.
 */
struct frame_head {
	__u64 arrival_ns;
	__u32 hash; /* symmetric flow hash that picked the worker */
	__u32 wire_len; /* bytes on the wire; more than follow if the frame was cut */
};

/* isolation_request.error when the kill switch is on. */
#define ERROR_HELD 1

/* Argument of the isolation_set program: written back with the outcome. */
struct isolation_request {
	struct target_key target;
	__u64 expires_ns; /* in */
	__u64 scope;      /* in */
	__u64 written_ns; /* out: when the entry was in force */
	__s64 error;      /* out: 0, -errno or ERROR_HELD */
	__u64 extended;   /* out: 1 if a running isolation was given a new end */
};

/*
 * Per-CPU counters of a capture or inline port, one set a queue. Where the frames went:
 * received = steered + passed + isolated + bypassed + shed + no_headroom + no_socket.
 */
struct capture_counts {
	__u64 received;
	__u64 received_bytes;
	__u64 steered;
	__u64 passed; /* inline: sent on by the kernel, because no worker would or could */
	__u64 isolated; /* inline: of isolated hosts, dropped */
	__u64 bypassed; /* of flows that need no more inspection */
	__u64 shed; /* of flows given up under overload */
	__u64 no_headroom; /* the driver leaves no room for the head: dropped */
	__u64 no_socket; /* no worker's socket on this queue: dropped */
	__u64 nic_time; /* of received: stamped by the NIC */
	__u64 too_deep; /* of isolated: more layers than are looked through */
};

/* Which flow: endpoints in the order of their addresses, then ports. */
struct flow_key {
	struct host_key low;
	struct host_key high;
	__u16 low_port; /* host order */
	__u16 high_port;
	__u16 vlans[MAX_VLANS]; /* host order, outermost first; 0 if there is none */
	__u8 vlan_count;
	__u8 proto;
	__u8 reserved[6];
};

/* Why a flow is bypassed. */
#define BYPASS_INSPECTED 0
#define BYPASS_SHED 1

/* What the bypass map says of a flow. */
struct bypass_entry {
	__u32 slot; /* where its packets are counted */
	__u32 reason;
};

/* The slot that no flow gets: its packets[0] says whether any flow is bypassed, which spares the lookup. */
#define BYPASS_STATE_SLOT 0

/* Packets of a bypassed flow: index 0 from low to high, 1 from high to low. A cache line. */
struct bypass_slot {
	__u64 packets[2];
	__u64 bytes[2];
	__u64 last_ns;
	__u64 reserved[3];
};

/* Per-CPU counters of all guard ports together. */
struct guard_counts {
	__u64 passed;
	__u64 dropped;
	__u64 too_deep; /* of dropped: more layers than are looked through */
};

#endif
