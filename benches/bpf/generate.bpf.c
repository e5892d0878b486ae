// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A traffic generator: run with BPF_PROG_RUN and BPF_F_TEST_XDP_LIVE_FRAMES it sends the frame it is
 * given out of its device as fast as one core can, from so many flows in turn.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

/* Flows to send from, set before load. 0: the frame goes out as it is. */
const volatile __u32 flows = 1024;

__u32 sequence = 0;

SEC("xdp")
int rw_generate(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);
	__u32 flow;

	if ((void *)(udp + 1) > end)
		return XDP_ABORTED;
	if (flows) {
		flow = sequence++ % flows;
		ip->saddr = bpf_htonl(0x0a010000 | (flow >> 4));
		udp->source = bpf_htons(20000 + (flow & 15));
	}
	return XDP_TX;
}

char _license[] SEC("license") = "Dual BSD/GPL";
