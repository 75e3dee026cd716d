#!/usr/bin/env node
// The `rookery` command. Plain JavaScript that Node 20 runs: where the Node at hand is too old for the server, it goes
// on in the one that came as a dependency, with the same arguments, standard streams, signals and exit code.
// In a checkout it runs the sources; a published package has none and holds them compiled in dist/.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const nodeMajorMin = 24;
const self = fileURLToPath(import.meta.url);
const source = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const compiled = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const entry = existsSync(source) ? source : compiled;

if (!existsSync(entry)) fail(`neither ${source} nor ${compiled} exists: the installation is incomplete`);
if (Number.parseInt(process.versions.node, 10) >= nodeMajorMin) {
  // The entry module reads its arguments from process.argv, as if it had been started itself.
  process.argv[1] = entry;
  await import(pathToFileURL(entry).href);
} else {
  goOnIn(newerNode());
}

/** The binary of the `node` package, wherever npm put that package. */
function newerNode() {
  let binary;
  try {
    const manifest = createRequire(import.meta.url).resolve('node/package.json');
    binary = join(dirname(manifest), 'bin', 'node');
  } catch {
    fail(
      `Node ${nodeMajorMin} or later is needed, this is ${process.versions.node}, and the "node" package is not installed`,
    );
  }
  if (existsSync(binary)) return binary;
  return fail(
    `Node ${nodeMajorMin} or later is needed, this is ${process.versions.node}, and ${binary} is missing:\n` +
      'the install script of the "node" package did not run. "npm rebuild node" runs it ' +
      '(npm 12 and later ask for "npm install-scripts approve node" before).',
  );
}

function goOnIn(binary) {
  const child = spawn(binary, [self, ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2']) {
    process.on(signal, () => {
      // A terminal sends Ctrl-C and Ctrl-\ to the child as well; twice would mean "at once".
      const fromTerminal = process.stdin.isTTY && (signal === 'SIGINT' || signal === 'SIGQUIT');
      if (!fromTerminal) child.kill(signal);
    });
  }
  child.on('error', (error) => fail(`${binary} cannot be started: ${error.message}`));
  child.on('exit', (code, signal) => {
    // The shell's convention for an end by signal.
    process.exit(signal === null ? code : 128 + constants.signals[signal]);
  });
}

function fail(message) {
  console.error(`rookery: ${message}`);
  process.exit(1);
}
