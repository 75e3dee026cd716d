// V8's sampling profile of this thread, read by time: which functions ran between two moments. Times are microseconds of the
// monotonic clock, which is also process.hrtime's.

import { type Profiler, Session } from 'node:inspector';

const sampleUs = 400;
const functionsMax = 4;
const source = /\/(?:src|node_modules|bench)\/(?:.*\/node_modules\/)?(.*)$/;

type Node = Profiler.ProfileNode;

/** One finished profile. */
class ProfileTimes {
  readonly #nodes: ReadonlyMap<number, Node>;
  readonly #parents = new Map<number, number>();
  readonly #samples: readonly number[];
  readonly #times: number[] = [];

  constructor({ nodes, samples = [], timeDeltas = [], startTime }: Profiler.Profile) {
    this.#nodes = new Map(nodes.map((node) => [node.id, node]));
    for (const node of nodes) for (const child of node.children ?? []) this.#parents.set(child, node.id);
    this.#samples = samples;
    let time = startTime;
    for (const delta of timeDeltas) {
      time += delta;
      this.#times.push(time);
    }
  }

  /** Functions with their share of the samples: first stacks of ours from the outermost, then where the time itself went. */
  between(fromUs: number, toUs: number): string[] {
    const stacks = new Map<string, number>();
    const leaves = new Map<string, number>();
    let count = 0;
    for (let at = this.#firstFrom(fromUs); at < this.#times.length && this.#times[at]! <= toUs; at++) {
      const id = this.#samples[at]!;
      count++;
      add(stacks, this.#stackOf(id));
      add(leaves, named(this.#nodes.get(id)!));
    }
    return [...heaviest(stacks, count), ...heaviest(leaves, count)];
  }

  #firstFrom(us: number): number {
    let low = 0;
    let high = this.#times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#times[middle]! < us) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #stackOf(id: number): string {
    const ours: string[] = [];
    for (let at: number | undefined = id; at !== undefined; at = this.#parents.get(at)) {
      const node = this.#nodes.get(at)!;
      if (node.callFrame.url.includes('/src/')) ours.push(named(node));
    }
    return ours.toReversed().slice(0, 6).join(' > ');
  }
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function named({ callFrame: { functionName, url, lineNumber } }: Node): string {
  const file = source.exec(url)?.[1] ?? url;
  return `${functionName || '(anonymous)'}${file === '' ? '' : ` ${file}:${lineNumber + 1}`}`;
}

function heaviest(counts: ReadonlyMap<string, number>, of: number): string[] {
  return [...counts]
    .filter(([name]) => name !== '')
    .sort(([, a], [, b]) => b - a)
    .slice(0, functionsMax)
    .map(([name, count]) => `${Math.round((count / of) * 100)} % ${name}`);
}

/** Started and stopped from within the thread that it is about; the inspector answers at once there. */
export class CpuProfile {
  #session: Session | undefined;

  start(): void {
    this.#session = new Session();
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.setSamplingInterval', { interval: sampleUs });
    this.#session.post('Profiler.start');
  }

  /** Undefined: none was started. */
  stop(): ProfileTimes | undefined {
    const session = this.#session;
    if (session === undefined) return undefined;
    this.#session = undefined;
    let profile: Profiler.Profile | undefined;
    session.post('Profiler.stop', (error, result) => {
      if (error === null) profile = result.profile;
    });
    session.disconnect();
    return profile === undefined ? undefined : new ProfileTimes(profile);
  }
}
