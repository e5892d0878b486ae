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

/*
 * Instead: the first bytes of every frame are random, but that most of them begin as an IP packet does. Written anew
 * each time, because frames are used again as they were left.
 */
const volatile __u8 garbage = 0;
#define GARBAGE_WORDS 32

__u32 sequence = 0;

static __always_inline void spoil(void *data, void *end)
{
	__u32 *word = data;
	__u8 *byte = data;
	__u32 dice = bpf_get_prandom_u32();

	for (int i = 0; i < GARBAGE_WORDS; i++) {
		if ((void *)(word + i + 1) > end)
			break;
		word[i] = bpf_get_prandom_u32();
	}
	if ((void *)(byte + 24) > end || !(dice & 3))
		return;
	byte[12] = dice & 1 ? 0x08 : 0x86;
	byte[13] = dice & 1 ? 0x00 : 0xdd;
	byte[14] = dice & 1 ? 0x45 : 0x60;
	/* TCP or UDP, and not a fragment, half of the time. */
	if (dice & 4) {
		byte[20] = dice & 1 ? 0 : 17;
		byte[21] = 0;
		byte[23] = dice & 8 ? 6 : 17;
	}
}

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
	if (garbage) {
		spoil(eth, end);
	} else if (flows) {
		flow = sequence++ % flows;
		ip->saddr = bpf_htonl(0x0a010000 | (flow >> 4));
		udp->source = bpf_htons(20000 + (flow & 15));
	}
	return XDP_TX;
}

char _license[] SEC("license") = "Dual BSD/GPL";
