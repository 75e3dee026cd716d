// The test of the test: rules that are taken out one at a time, and the words in which the simulation's checks must say so.

import type { SourceMutation } from './mutated-source.ts';

export interface Mutation extends SourceMutation {
  readonly rule: string;
  readonly found: RegExp;
}

const core = 'src/cluster/membership/member-core.ts';
const controller = 'src/cluster/membership/controller-core.ts';
const talk = 'src/cluster/membership/engine-talk.ts';
const ownRow = 'src/cluster/membership/own-row.ts';
const assignment = 'src/cluster/membership/assignment.ts';
const observations = 'src/cluster/membership/observations.ts';
const holdings = 'src/cluster/membership/shard-holdings.ts';
const rows = 'src/cluster/membership/cluster-rows.ts';
const change = 'src/cluster/membership/cluster-change.ts';
const engine = 'test/simulation/simulated-engine.ts';
const network = 'test/simulation/simulated-network.ts';

const twoHosts = /is served by .* and by/;
const hangs = /^at .* connections for (?:commits|reads) that hang/;
const controllers = /while .* is the controller|taken for a controller that is gone/;
const overtaken = /believes that the database lost commits/;
const notLeftAlone = /^at .* (?:an absence of the engine|the loss of a controller)/;

export const mutations: readonly Mutation[] = [
  {
    rule: 'the engine refuses a commit under an old epoch',
    file: engine,
    from: `    if (this.#epochs[commit.shard] !== commit.epoch) return 'fenced';\n`,
    to: '',
    found: /committed under epoch|mod-sequence|given again|two writers/,
  },
  {
    rule: 'after a lost answer the engine makes sure that a commit of mail will not happen later',
    file: network,
    from: 'flight.mayApply = !isResolved;',
    to: '',
    found: /mod-sequence|given again|stored twice|lost/,
  },
  {
    rule: 'a node whose lease has run out serves nothing',
    file: core,
    from: 'return this.hasLease(now) ? this.holdings.epochOf(shard, now) : undefined;',
    to: 'return this.holdings.epochOf(shard, now);',
    found: twoHosts,
  },
  {
    rule: 'the controller waits for a lease before it declares a node dead',
    file: observations,
    from: 'return seen === undefined ? 0 : now - seen.changedAt;',
    to: 'return seen === undefined ? 0 : 20 * (now - seen.changedAt);',
    found: /is served by .* and by|were declared dead|after a heartbeat/,
  },
  {
    rule: 'a release ends by a deadline counted from the last read that did not show the move (not from the one that did)',
    file: core,
    from: 'this.#talk.readBefore + leaseMs',
    to: 'this.#talk.readAt + leaseMs',
    found: twoHosts,
  },
  {
    rule: 'a release ends by a deadline counted from a read (not from when it is noticed)',
    file: core,
    from: 'Math.min(now, this.#talk.readBefore + leaseMs - marginMs) + releaseMs',
    to: 'now + releaseMs',
    found: twoHosts,
  },
  {
    rule: 'after an unknown outcome nothing is committed before a read',
    file: talk,
    from: `this.doubt(outcome !== 'unknown');`,
    to: `if (outcome !== 'unknown') this.doubt(true);`,
    found: /commits before it knows/,
  },
  {
    rule: 'who regains its lease watches anew',
    file: core,
    from: 'this.observations.reset(now);',
    to: '',
    found: notLeftAlone,
  },
  {
    rule: 'a heartbeat that hangs is sent again on another connection',
    file: core,
    from: 'now >= this.#talk.repeatAt()',
    to: 'false',
    found: hangs,
  },
  {
    rule: 'a read that hangs is sent again',
    file: talk,
    from: 'if (this.#reading.length > 1) ',
    to: 'if (this.#reading.length > 0) ',
    found: hangs,
  },
  {
    rule: 'a node of which nothing in line is answered does not live by its heartbeats alone',
    file: talk,
    from: 'if (this.#inDoubt || this.#isStuck)',
    to: 'if (this.#inDoubt)',
    found: /serves without a way to the engine/,
  },
  {
    rule: 'a node that cannot read sends no heartbeats',
    file: core,
    from: 'if (this.#isStale(now)) return;',
    to: '',
    found: /cannot read: shards .* are not served/,
  },
  {
    rule: 'a read that another one overtook is not all there is',
    file: talk,
    from: 'for (const reading of this.#reading) reading.isOvertaken = true;\n    this.#isReadWhole',
    to: 'this.#isReadWhole',
    found: overtaken,
  },
  {
    rule: 'a read that a commit overtook is not all there is',
    file: talk,
    from: 'for (const reading of this.#reading) reading.isOvertaken = true;\n      for',
    to: 'for',
    found: overtaken,
  },
  {
    rule: 'after a commit of unknown outcome there is a pause',
    file: talk,
    from: `if (++this.#failures > 1 || outcome === 'unknown') this.#pauseUntil = now + retryMs;`,
    to: '',
    found: /ms after a commit of unknown outcome/,
  },
  {
    rule: 'after a read that failed there is a pause',
    file: talk,
    from: 'this.#readFailedAt + retryMs',
    to: 'this.#readFailedAt',
    found: /ms after a read that failed/,
  },
  {
    rule: 'who takes a controller for gone needs its row as it was',
    file: controller,
    from: 'change.requireNode(view.node(holder.node)!);',
    to: '',
    found: controllers,
  },
  {
    rule: 'who becomes controller needs the row as it was',
    file: change,
    from: 'this.requireController();\n    const revision',
    to: 'const revision',
    found: controllers,
  },
  {
    rule: 'a decision counts only while who made it is the controller',
    file: controller,
    from: 'change.requireController();\n  return {',
    to: 'return {',
    found: controllers,
  },
  {
    rule: 'a shard that is not let go in time is served no more, though nobody was awake to say so',
    file: holdings,
    from: `held.phase === 'open' || now < held.releaseBy ? held.epoch : undefined`,
    to: 'held.epoch',
    found: twoHosts,
  },
  {
    rule: 'a move whose target is gone is not carried out',
    file: controller,
    from: '(!view.isUp(movingTo) || this.#dead.has(movingTo.node))',
    to: 'false',
    found: /is served by .* and by|are not served|are not where they belong/,
  },
  {
    rule: 'how long a move waits is counted for each move anew',
    file: observations,
    from: 'known?.revision === row.revision',
    to: 'known !== undefined',
    found: twoHosts,
  },
  {
    rule: 'a node that is removed stays on its way out when it starts again',
    file: ownRow,
    from: `before?.state === 'draining' && before.leaving === 'remove'`,
    to: 'false',
    found: /though the operator removed it/,
  },
  {
    rule: 'a node that dies while it is removed is removed',
    file: rows,
    from: `state: row.leaving === 'remove' ? 'removed' : 'dead'`,
    to: `state: 'dead'`,
    found: /though the operator removed it/,
  },
  {
    rule: 'a lease needs a heartbeat, not only a read',
    file: core,
    from: 'Math.min(this.own.confirmedAt, this.#talk.readAt)',
    to: 'this.#talk.readAt',
    found: twoHosts,
  },
  {
    rule: 'a lease ends a margin sooner than others count',
    file: core,
    from: 'provedAt + this.#times.leaseMs - this.#times.marginMs',
    to: 'provedAt + this.#times.leaseMs',
    found: twoHosts,
  },
  {
    rule: 'a lease runs from when the heartbeat was sent (not from 0.4 s later)',
    file: ownRow,
    from: 'this.#sentAt.get(row.beat) ?? this.#confirmedAt);',
    to: '(this.#sentAt.get(row.beat) ?? this.#confirmedAt) + 400);',
    found: twoHosts,
  },
  {
    rule: 'the shards of a node that came back as another one wait for a lease',
    file: controller,
    from: `>= times.leaseMs ? 'vacant' : 'waiting'`,
    to: `>= 0 ? 'vacant' : 'waiting'`,
    found: twoHosts,
  },
  {
    rule: 'a move that waits is forced only after a lease and the time of a release',
    file: controller,
    from: 'times.leaseMs + times.releaseMs + times.marginMs',
    to: 'times.leaseMs',
    found: twoHosts,
  },
  {
    rule: 'a change of a node row needs the row as it was',
    file: change,
    from: 'this.#conditions.push({ key: nodeKey(row.node), expected: known?.bytes });\n    this.entries.push(nodeEntry({ ...row, ',
    to: 'this.entries.push(nodeEntry({ ...row, ',
    found:
      /though the operator removed it|is served by .* and by|after a heartbeat|believes that the database lost/,
  },
  {
    rule: 'time in which nothing was read is no silence',
    file: observations,
    from: 'Math.max(0, now - this.#observedAt - this.#heartbeatMs)',
    to: '0',
    found: notLeftAlone,
  },
  {
    rule: 'a machine that slept renews its lease first',
    file: core,
    from: 'this.#voidBefore = now;',
    to: '',
    found: twoHosts,
  },
  {
    rule: 'a predecessor has ended only if whoever starts the process knows it',
    file: ownRow,
    from: 'const hasEnded = this.#predecessorGone && ',
    to: 'const hasEnded = ',
    found: twoHosts,
  },
  {
    rule: 'until accounts are counted nothing is moved for balance',
    file: assignment,
    from: `if (occupancy === 'unknown') {`,
    to: `if (occupancy === 'unknown') return planMoves(nodes, shards);\n  if (occupancy === 'unknown') {`,
    found: notLeftAlone,
  },
  {
    rule: 'few accounts are counted',
    file: controller,
    from: 'planPlacement(nodes, placed, occupancy)',
    to: `planPlacement(nodes, placed, 'many')`,
    found: /are not where they belong/,
  },
  {
    rule: 'a plan begins with where shards are',
    file: controller,
    from: 'placed.push({ node: place?.node, pinned',
    to: 'placed.push({ node: undefined, pinned',
    found: notLeftAlone,
  },
];
