// `npm test`: everything. The checks with the unit tests, the system tests under test/, and every fuzz target for a
// short while. Ends with the sum on a line of its own; exit code 1 when anything failed.

import { testPackages } from '../test/packages.ts';
import { runChecks } from './check.ts';
import { provide } from './debian-packages.ts';
import { leaveFuzz, runFuzz } from './fuzz.ts';
import { addCounts, noTests, runTestFiles } from './run-tests.ts';
import { listFiles } from './source-files.ts';

/** The longest system test (the crash test in its short form) takes a tenth of it. */
const systemTestTimeoutMs = 240_000;
/** Everything together is to take ten minutes and at most twenty-five. */
const systemTestsTimeoutMs = 1_380_000;
/** Servers with clients beside them: more at once would measure the scheduler. */
const systemTestConcurrency = 2;
/** Long enough for the kept findings and the shallow mistakes; `npm run fuzz` looks deeper. */
const fuzzSecondsPerTarget = 3;

function providePackages(): boolean {
  const isWithout = !provide(testPackages.filter(({ isOptional }) => isOptional === true));
  if (isWithout) console.error('The tests of these are skipped.');
  if (provide(testPackages.filter(({ isOptional }) => isOptional !== true))) return true;
  console.error('"npm run check" needs none of them.');
  return false;
}

async function runEverything(): Promise<boolean> {
  const heading = (text: string): void => console.log(`\n── ${text}`);
  heading('checks and unit tests');
  let counts = addCounts(noTests, await runChecks());
  heading('system tests');
  const files = listFiles('test', '.test.ts');
  const print = (text: string): boolean => process.stdout.write(text);
  const timeouts = { testTimeoutMs: systemTestTimeoutMs, runTimeoutMs: systemTestsTimeoutMs };
  const options = { files, concurrency: systemTestConcurrency, ...timeouts, print };
  counts = addCounts(counts, await runTestFiles(options));
  heading('fuzz targets, short form');
  const fuzzCounts = await runFuzz({ seconds: fuzzSecondsPerTarget });
  counts = addCounts(counts, fuzzCounts);
  heading('everything');
  console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  leaveFuzz(fuzzCounts);
  return counts.failed === 0;
}

process.exitCode = providePackages() && (await runEverything()) ? 0 : 1;
