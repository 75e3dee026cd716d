// Installs the Debian packages that the tests and the benchmark need, without starting any service that comes in them. Only
// root on Debian (or a descendant of it) can; everybody else is told what is missing and how to get it.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestPackage } from '../test/packages.ts';

/** Not on everybody's search path, but where servers' programs are. */
const systemFolders = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** Asked by every package's installation whether it may start its service; 101 means no. */
const policyPath = '/usr/sbin/policy-rc.d';

/** Whether they are there, installed now when need be; tells what is not. */
export function provide(packages: readonly TestPackage[]): boolean {
  const missing = packages.filter((each) => !each.shownBy.some(isThere));
  if (missing.length === 0) return true;
  const reason = whyNotInstallable();
  if (reason === null && installPackages(missing)) return true;
  console.error(`Programs are needed that are not here${reason === null ? '' : ` (and ${reason})`}:`);
  for (const each of missing) console.error(`  ${each.name.padEnd(14)} ${each.reason}`);
  console.error(`On Debian: sudo apt-get install ${missing.map((each) => each.name).join(' ')}`);
  return false;
}

function isThere(program: string): boolean {
  if (program.startsWith('/')) return existsSync(program);
  const folders = [...(process.env.PATH ?? '').split(':'), ...systemFolders];
  return folders.some((folder) => existsSync(join(folder, program)));
}

/** Null when this user on this system can install packages, else why not. */
function whyNotInstallable(): string | null {
  if (!existsSync('/usr/bin/apt-get')) return 'this is not a Debian system';
  if (process.getuid?.() !== 0) return 'this user is not root';
  return null;
}

/** Returns whether everything could be installed. */
function installPackages(packages: readonly TestPackage[]): boolean {
  const names = packages.map((each) => each.name);
  console.log(`Installing Debian packages: ${names.join(' ')}`);
  const restorePolicy = forbidServiceStarts();
  try {
    if (!hasPackageLists() && !aptGet(['update'])) return false;
    const install = ['install', '--yes', '--no-install-recommends', ...names];
    // Lists that are out of date name files the mirror no longer has.
    return aptGet(install) || (aptGet(['update']) && aptGet(install));
  } finally {
    restorePolicy();
  }
}

function aptGet(args: readonly string[]): boolean {
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const options = ['-q', '-o', 'Dpkg::Use-Pty=0', '-o', 'DPkg::Lock::Timeout=120'];
  const result = spawnSync('apt-get', [...options, ...args], { env: environment, encoding: 'utf8' });
  if (result.status === 0) return true;
  console.error(`apt-get ${args.join(' ')} failed:\n${result.stdout}${result.stderr}`);
  return false;
}

function hasPackageLists(): boolean {
  const folder = '/var/lib/apt/lists';
  return existsSync(folder) && readdirSync(folder).some((name) => name.includes('_Packages'));
}

/** Puts the refusing policy in place; the result puts back what was there. */
function forbidServiceStarts(): () => void {
  const before = existsSync(policyPath)
    ? { content: readFileSync(policyPath), mode: statSync(policyPath).mode & 0o777 }
    : undefined;
  writeFileSync(policyPath, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  return () => {
    if (before === undefined) rmSync(policyPath, { force: true });
    else writeFileSync(policyPath, before.content, { mode: before.mode });
  };
}
