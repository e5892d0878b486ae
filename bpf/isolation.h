/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The isolation map: exact hosts, pinned, shared by all guard programs of the box. Written by
 * isolate.bpf.c and by user space (deletes), read on every packet of a guard port.
 */
#ifndef RINGWARD_ISOLATION_H
#define RINGWARD_ISOLATION_H

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ISOLATION_CAPACITY);
	__type(key, struct host_key);
	__type(value, struct isolation_entry);
} isolation SEC(".maps");

#endif
