/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The contract with user space: map keys and values, frame metadata, counters, limits.
 * crates/capture/src/layout.rs is the other signatory; its tests compare sizes and offsets.
 * All times are CLOCK_MONOTONIC nanoseconds (bpf_ktime_get_ns). All integers are host byte order
 * unless said otherwise.
 */
#ifndef RINGWARD_CONTRACT_H
#define RINGWARD_CONTRACT_H

/* Hosts that can be isolated at once unless the configuration says otherwise. */
#define ISOLATION_CAPACITY 100000
/* Sockets (queues x workers) of one capture port at most. */
#define XSKS_CAPACITY 1024
/* VLAN tags that are skipped to find the IP header. */
#define MAX_VLANS 2
/* IPv6 extension headers that are walked to find the ports. */
#define MAX_EXTENSIONS 6

/* An address: IPv6 in network order, IPv4 as ::ffff:a.b.c.d. */
struct host_key {
	__u8 addr[16] __attribute__((aligned(8)));
};

/* One isolated host. The XDP program itself ends the isolation at expires_ns. */
struct isolation_entry {
	__u64 expires_ns;
	__u64 since_ns;
	__u64 dropped_packets;
	__u64 dropped_bytes;
	__u64 first_drop_ns; /* 0: nothing dropped yet */
	__u64 last_drop_ns;
};

/*
 * The first bytes of every steered frame, put before the packet with bpf_xdp_adjust_head. Not XDP
 * metadata: that is optional in drivers, and nothing tells a socket whether it is there.
 */
struct frame_head {
	__u64 arrival_ns;
	__u32 hash; /* symmetric flow hash that picked the worker */
	__u32 reserved;
};

/* Argument of the isolation_set program: written back with the outcome. */
struct isolation_request {
	struct host_key host;
	__u64 expires_ns; /* in */
	__u64 written_ns; /* out: when the entry was in force */
	__s64 error;      /* out: 0 or -errno */
	__u64 extended;   /* out: 1 if a running isolation was given a new end */
};

/* Per-CPU counters of a capture port. received = steered + no_headroom + no_socket. */
struct capture_counts {
	__u64 received;
	__u64 received_bytes;
	__u64 steered;
	__u64 no_headroom; /* the driver leaves no room for the head: dropped */
	__u64 no_socket; /* no worker's socket on this queue: dropped */
};

/* Per-CPU counters of all guard ports together. received = passed + dropped. */
struct guard_counts {
	__u64 received;
	__u64 passed;
	__u64 dropped;
};

#endif
