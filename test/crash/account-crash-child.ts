// The process that the account crash test kills: clients that change an account without end, each only its own messages.
// Before each change it says on standard output what it is about to do, afterwards what was acknowledged, a line of
// JSON each. Arguments: the directory, a seed.

import type { AccountPort } from '../../src/account/port.ts';
import { systemClock } from '../../src/base/clock.ts';
import { type Random, seededRandom } from '../../src/base/random.ts';
import type { AccountId, MailboxId, OperationId } from '../../src/mail/ids.ts';
import {
  type CrashStore,
  type Done,
  type Intent,
  messageOf,
  openCrashStore,
  type Passing,
  performIntent,
  performPassing,
} from './account-load.ts';
import { sayLine } from './say-line.ts';

const clients = 6;
/** A client's messages; beyond it expunges are more likely. */
const ownMax = 24;

function say(
  line: { intent: Intent } | { operation: string; done: Done } | { passing: Passing } | { gone: Passing },
) {
  sayLine(JSON.stringify(line));
}

interface Own {
  box: MailboxId;
  uid: number;
}

async function runClient(
  account: AccountPort,
  boxes: readonly MailboxId[],
  client: { name: string; random: Random },
): Promise<never> {
  const { name, random } = client;
  let own: Own[] = [];
  for (let number = 0; ; number++) {
    const operation = `${name}-${number}` as OperationId;
    const intent = choose(random, { operation, own, boxes, token: `${name}.${number}` });
    say({ intent });
    const done = await performIntent(account, intent);
    say({ operation, done });
    if (intent.type === 'append') own.push(...done.uids.map((uid) => ({ box: intent.box, uid })));
    if (intent.type === 'expunge' || intent.type === 'move') {
      own = own.filter(({ box, uid }) => box !== intent.box || !intent.uids.includes(uid));
    }
    if (intent.type === 'move' || intent.type === 'copy') {
      own.push(...done.uids.map((uid) => ({ box: intent.to, uid })));
    }
  }
}

interface Choice {
  readonly operation: OperationId;
  readonly own: readonly Own[];
  readonly boxes: readonly MailboxId[];
  readonly token: string;
}

function choose(random: Random, { operation, own, boxes, token }: Choice): Intent {
  const box = boxes[random.integer(boxes.length)]!;
  const uids = own.filter((message) => message.box === box && random.integer(2) === 0).map(({ uid }) => uid);
  const turn = random.integer(own.length > ownMax ? 12 : 8);
  if (turn < 4 || uids.length === 0) {
    const count = 1 + random.integer(3);
    const sizes = Array.from(
      { length: count },
      () => (random.integer(8) === 0 ? 70_000 : 50) + random.integer(5000),
    );
    return { type: 'append', operation, box, token, sizes };
  }
  if (turn < 6) return { type: 'flags', operation, box, uids, keyword: `k${random.integer(20)}` };
  const to = boxes[random.integer(boxes.length)]!;
  // All of them: more than one commit holds, so that copies are staged.
  const all = own.filter((message) => message.box === box).map(({ uid }) => uid);
  if (turn === 6) return { type: 'copy', operation, box, uids: all, to };
  if (turn === 7) return { type: 'move', operation, box, uids, to };
  return { type: 'expunge', operation, box, uids };
}

async function passAccounts({ hosts }: CrashStore, name: string): Promise<never> {
  for (let number = 0; ; number++) {
    const passing = { accountId: `passing${name}${number}` as AccountId };
    say({ passing });
    await performPassing(hosts, passing);
    say({ gone: passing });
  }
}

async function maintain({ blobs }: CrashStore): Promise<never> {
  for (;;) {
    await blobs.collect();
    await blobs.compressOld({ olderThanMs: -1 });
    await systemClock.sleep(2);
  }
}

const random = seededRandom(Number(process.argv[3]));
const store = await openCrashStore(process.argv[2]!);
const account = await store.account();
const boxes = (await account.listMailboxes()).mailboxes.slice(0, 2).map(({ id }) => id);
messageOf('warm', 0, 100);
const session = random.identifier(8);
await Promise.all([
  passAccounts(store, session),
  maintain(store),
  ...Array.from({ length: clients }, (_, client) =>
    runClient(account, boxes, { name: `${session}${client}`, random: seededRandom(random.integer(2 ** 31)) }),
  ),
]);
