// What a server, a worker and a supervisor of workers ask of the configuration alike.

import { join } from 'node:path';
import { systemClock } from './base/clock.ts';
import { systemRandom } from './base/random.ts';
import type { Config } from './config/schema.ts';
import { ensureSelfSigned } from './speakers/kit/self-signed.ts';
import type { CertificateFiles } from './speakers/kit/tls-contexts.ts';

export function isPretty(config: Config): boolean {
  return config.log.format === 'pretty' || (config.log.format === 'auto' && process.stdout.isTTY === true);
}

/** Those of the configuration, or the self-signed one in the data directory, which is made when it is missing. */
export async function certificateFiles(config: Config): Promise<CertificateFiles[]> {
  const given = config.tls.certificates.map(({ certificate, key }) => ({
    certificateFile: certificate,
    keyFile: key,
  }));
  if (given.length > 0) return given;
  const directory = join(config.data, 'tls');
  const surroundings = { clock: systemClock, random: systemRandom };
  return [await ensureSelfSigned({ directory, hostname: config.hostname, ...surroundings })];
}
