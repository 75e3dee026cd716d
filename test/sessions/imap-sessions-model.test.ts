// What sessions are told, command after command, is what a model allows (model-scene.ts).
// One command at a time: imap-concurrent-model.test.ts has them all at once.

import { test } from 'node:test';
import fc from 'fast-check';
import { openImapServer } from './imap-server.ts';
import { Scene } from './model-scene.ts';
import { modelRuns, seed, step } from './model-steps.ts';

test(`what sessions are told is what a model allows (IMAP_MODEL_SEED=${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 90 }), async (steps) => {
      await using server = await openImapServer();
      const scene = await Scene.open(server);
      try {
        for (const one of steps) await scene.perform(one);
        await scene.end();
      } finally {
        scene.close();
      }
    }),
    modelRuns,
  );
});
