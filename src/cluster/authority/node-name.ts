// A node's name as the cluster's certificates carry it: a host name's label, so that it can stand in a subject, in a
// subject alternative name, in a file name and in a balancer's configuration without being quoted anywhere.

import type { NodeId } from '../../mail/ids.ts';

const form = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** Undefined when it is no name of a node. */
export function parseNodeName(text: string): NodeId | undefined {
  return form.test(text) ? (text as NodeId) : undefined;
}
