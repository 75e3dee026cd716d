// The sessions of the model (test/sessions/model-scene.ts) on a cluster of real processes: they are on one node, their
// account on the other, which is killed (SIGKILL) in the middle of a command. No client can tell: not by one untagged response.
// IMAP_MODEL_SEED repeats the commands and the moments, as far as processes can be made to.

import { after, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import fc from 'fast-check';
import { seededRandom } from '../../src/base/random.ts';
import { missingPostgres } from '../postgres-server.ts';
import { addressOf, passwordOf } from '../server-process.ts';
import { Scene } from '../sessions/model-scene.ts';
import { seed, step } from '../sessions/model-steps.ts';
import { ClusterProcesses } from './cluster-processes.ts';

/** Each has an account of its own: it begins with nothing. */
const users = ['model1', 'model2', 'model3'];
/** Whose account stays where the sessions are. */
const guest = 'guest';
const stepsPerRound = 60;
/** After the command has been sent: it is under way at any stage, or ended. */
const killedAfterMsMax = 12;

suite('the model on a cluster', { skip: missingPostgres() }, () => {
  let cluster: ClusterProcesses;

  before(async () => {
    cluster = await ClusterProcesses.start({ nodes: 2, users: [...users, guest] });
  });
  after(async () => {
    try {
      await cluster?.stop();
    } finally {
      await cluster?.[Symbol.asyncDispose]();
    }
  });

  for (const [round, user] of users.entries()) {
    test(`the host dies in the middle of a command: ${user} (IMAP_MODEL_SEED=${seed})`, async () => {
      const [near, host] = cluster.nodes;
      if (!host!.isRunning) await host!.start();
      await cluster.place([user], host!);
      await cluster.place([guest], near!);
      const random = seededRandom(seed + round);
      const steps = fc.sample(step, { seed: seed + round, numRuns: stepsPerRound });
      const [diesAt, afterMs] = [random.integer(stepsPerRound), random.integer(killedAfterMsMax)];
      const entry = {
        port: near!.port('imap'),
        address: addressOf(user),
        password: passwordOf(user),
        guest: { address: addressOf(guest), password: passwordOf(guest) },
      };
      const scene = await Scene.open(entry);
      try {
        for (const [index, one] of steps.entries()) {
          const performed = scene.perform(one);
          const killed = index === diesAt ? wait(afterMs).then(() => host!.kill()) : undefined;
          const ended = await Promise.allSettled([performed, killed]);
          for (const each of ended) if (each.status === 'rejected') throw each.reason;
        }
        await scene.end();
      } finally {
        scene.close();
      }
    });
  }
});
