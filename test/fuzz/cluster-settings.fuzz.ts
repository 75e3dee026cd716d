// Fuzzes the cluster's configuration as operators write it: any text is a document or a refusal, a document that is
// accepted gives every node a configuration, and is written so that it reads back the same.

import assert from 'node:assert/strict';
import {
  checkClusterSettings,
  diffClusterSettings,
  nodeConfig,
} from '../../src/cluster/cluster-configuration.ts';
import { formatClusterSettings, parseClusterSettings } from '../../src/cluster/cluster-configuration-text.ts';
import type { NodeId } from '../../src/mail/ids.ts';
import { MailError } from '../../src/mail/mail-error.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const seeds = [
  '[limits]\nmessage_size = "20 MiB"\nconnections = 100\n[nodes.one.limits]\nconnections = 200\n',
  'proxy_protocol_from = ["10.0.0.0/8"]\n[log]\nlevel = "debug"\n[nodes.two]\nhostname = "two.example.org"\n',
  'data = "/x"\n[listen]\nimap = "off"\n[nodes.__proto__]\na = 1\n',
];

export const target: FuzzTarget = {
  name: 'cluster-settings',
  seeds: () => seeds.map((seed) => Buffer.from(seed)),
  run(input) {
    try {
      const settings = parseClusterSettings(Buffer.from(input).toString('utf8'));
      checkClusterSettings(settings);
      for (const node of ['elsewhere', ...Object.keys(settings.overrides)])
        nodeConfig(settings, node as NodeId, {});
      assert.deepEqual(
        diffClusterSettings(settings, parseClusterSettings(formatClusterSettings(settings))),
        [],
      );
    } catch (error) {
      if (!(error instanceof MailError)) throw error;
    }
  },
};
