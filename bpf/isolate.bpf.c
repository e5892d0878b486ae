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

/* What packets are asked first must say that there is such a target, before its entry is obeyed. */
static __always_inline __u64 *announce(struct isolation_gate *gate, const struct target_key *target)
{
	__u32 bit = filter_bit(target->addr);

	if (target->kind == TARGET_HOST) {
		__sync_fetch_and_or(&gate->filter[bit >> 6], 1ULL << (bit & 63));
		return NULL;
	}
	return target->kind == TARGET_NETWORK ? &gate->networks : &gate->stations;
}

/* Raised before the entry is obeyed. Writers that are so many that this does not succeed are made up for by user space. */
static __always_inline void raise_latest(struct isolation_gate *gate, __u64 end)
{
	for (int i = 0; i < 8; i++) {
		__u64 latest = gate->latest_ns;

		if (latest >= end || __sync_val_compare_and_swap(&gate->latest_ns, latest, end) == latest)
			return;
	}
}

SEC("syscall")
int rw_isolate(struct isolation_request *request)
{
	struct isolation_entry fresh = {};
	struct isolation_entry *entry;
	struct target_key target = request->target;
	__u64 now = bpf_ktime_get_ns();
	struct isolation_gate *gate = the_gate();
	__u64 *count;

	request->extended = 0;
	if (!gate) /* cannot be: the verifier wants to see it */
		return 0;
	if (gate->hold) {
		request->error = ERROR_HELD;
		return 0;
	}
	count = announce(gate, &target);
	raise_latest(gate, request->expires_ns);
	entry = bpf_map_lookup_elem(&isolation, &target);
	if (entry && now < entry->expires_ns) {
		entry->scope = request->scope;
		entry->expires_ns = request->expires_ns;
		request->extended = 1;
		request->error = 0;
	} else {
		/* An entry whose time is over starts anew, counters included. */
		fresh.since_ns = now;
		fresh.expires_ns = request->expires_ns;
		fresh.scope = request->scope;
		if (count && !entry)
			__sync_fetch_and_add(count, 1);
		request->error = bpf_map_update_elem(&isolation, &target, &fresh, BPF_ANY);
		if (count && !entry && request->error)
			__sync_fetch_and_add(count, -1);
	}
	request->written_ns = bpf_ktime_get_ns();
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
