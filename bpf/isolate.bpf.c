// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Writes one isolation. A program and not a map update from user space, because a new end for a
 * running isolation must not overwrite the drop counters that the guard ports are adding to.
 * Run with BPF_PROG_RUN; the request is written back with the outcome.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "contract.h"
#include "isolation.h"

SEC("syscall")
int rw_isolate(struct isolation_request *request)
{
	struct isolation_entry fresh = {};
	struct isolation_entry *entry;
	struct host_key host = request->host;
	__u64 now = bpf_ktime_get_ns();
	__u32 bit = filter_bit(&host);
	__u32 index = bit >> 6;
	__u64 *word = bpf_map_lookup_elem(&isolation_filter, &index);

	/* First: an entry whose bit is not set is not obeyed. */
	if (word)
		__sync_fetch_and_or(word, 1ULL << (bit & 63));
	request->extended = 0;
	entry = bpf_map_lookup_elem(&isolation, &host);
	if (entry && now < entry->expires_ns) {
		entry->expires_ns = request->expires_ns;
		request->extended = 1;
		request->error = 0;
	} else {
		/* An entry whose time is over starts anew, counters included. */
		fresh.since_ns = now;
		fresh.expires_ns = request->expires_ns;
		request->error = bpf_map_update_elem(&isolation, &host, &fresh, BPF_ANY);
	}
	request->written_ns = bpf_ktime_get_ns();
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
