// Configuration values, as files and --set give them: any text is a value or a ConfigError that names its key, never
// another failure; and what was accepted is shown so that it reads back the same.

import assert from 'node:assert/strict';
import { ConfigError } from '../../src/config/config-error.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { maskedConfig } from '../../src/config/show-config.ts';
import { formatDuration, parseListenAddress } from '../../src/config/units.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const keys = [
  'listen.imap',
  'limits.message_size',
  'limits.drain',
  'proxy_protocol_from',
  'log.level',
  'limits.connections',
];

export const target: FuzzTarget = {
  name: 'config-values',
  seeds: () =>
    [
      '127.0.0.1:2143',
      '[::1]:143',
      '["0.0.0.0:25", "[::]:25"]',
      'off',
      '50 MiB',
      '1.5 GB',
      '30 min',
      '500 ms',
      '0',
      '["10.0.0.0/8"]',
      '"debug"',
      '1e3',
      '{ a = 1 }',
    ].map((text) => Buffer.from(text)),
  run(input) {
    const text = Buffer.from(input).toString('utf8');
    const address = parseListenAddress(text);
    if (address !== undefined) assert.ok(address.port <= 65_535);
    for (const key of keys) {
      try {
        const config = loadConfig({ overrides: [`${key}=${text}`] });
        JSON.stringify(maskedConfig(config));
        const shown = loadConfig({
          overrides: [`limits.drain=${JSON.stringify(formatDuration(config.limits.drain))}`],
        });
        assert.equal(shown.limits.drain, config.limits.drain);
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        assert.ok(error.problems.length > 0);
      }
    }
  },
};
