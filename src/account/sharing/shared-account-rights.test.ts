// Of every method of the port: which rights it needs of somebody who is not the owner, each right tried alone.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OperationId, Uid } from '../../mail/ids.ts';
import type { MailErrorKind } from '../../mail/mail-error.ts';
import { allRights } from '../../mail/rights.ts';
import type { AccountPort } from '../port.ts';
import { newMessage, newOperation } from '../testing.ts';
import { actorId, type Fixture, firstUid, openFixture, refusalOf, storeFlag } from './testing-sharing.ts';

type Call = (port: AccountPort, fixture: Fixture) => Promise<unknown>;

/**
 * `needs`: all of these rights. `denied`: the refusal says no more to whom may not look the mailbox up, for it names none.
 * `askedFirst`: whoever has it knows of the mailbox. `never`: not for anybody but the owner. `itself`: no refusal; it has a
 * test of its own.
 */
type Rule =
  | {
      readonly needs: string;
      readonly oneOf?: string;
      readonly call: Call;
      readonly denied?: true;
      readonly askedFirst?: string;
    }
  | { readonly never: Call }
  | { readonly itself: true };

type Method = Exclude<keyof AccountPort, 'accountId' | 'watch'>;

const all = { type: 'all' } as const;

/** What each method of the port needs (RFC 4314 section 4). A new method does not compile without a rule. */
const rules: Readonly<Record<Method, Rule>> = {
  listMailboxes: { itself: true },
  findMailbox: { itself: true },
  changesSince: { itself: true },
  createMailbox: {
    needs: 'k',
    denied: true,
    call: (port) => port.createMailbox({ operation: newOperation(), name: 'Team/New' }),
  },
  renameMailbox: {
    needs: 'kx',
    askedFirst: 'x',
    call: (port) => port.renameMailbox({ operation: newOperation(), from: 'Team/Old', to: 'Team/Older' }),
  },
  deleteMailbox: {
    needs: 'x',
    call: (port) => port.deleteMailbox({ operation: newOperation(), name: 'Team/Old' }),
  },
  setSubscribed: {
    never: (port) => port.setSubscribed({ operation: newOperation(), name: 'Team', subscribed: true }),
  },
  openMailbox: { needs: 'r', call: (port) => port.openMailbox({ name: 'Team' }, { claimRecent: false }) },
  columns: { needs: 'r', call: (port, { mailbox }) => port.columns(mailbox.id, undefined) },
  append: {
    needs: 'i',
    call: (port) =>
      port.append({ operation: newOperation(), target: { name: 'Team' }, messages: [newMessage()] }),
  },
  stage: { needs: 'i', call: (port) => stageOne(port, newOperation()) },
  appendStaged: {
    needs: 'i',
    call: async (port, { owner }) => {
      const staging = newOperation();
      const target = { name: 'Team' };
      // What he could stage before.
      await stageOne(owner, `${actorId} ${staging}` as OperationId);
      await port.appendStaged({ operation: newOperation(), staging, target, messages: 1 });
    },
  },
  discardStaged: { itself: true },
  replace: {
    needs: 'irte',
    call: (port, { mailbox: { id } }) =>
      port.replace({
        operation: newOperation(),
        target: { id },
        messages: [newMessage()],
        replaces: { mailboxId: id, uid: 1 as Uid },
      }),
  },
  storeFlags: {
    needs: 'rs',
    call: (port, fixture) => storeFlag(port, fixture, '\\Seen'),
  },
  copy: {
    needs: 'ri',
    call: (port, { mailbox, inferior }) =>
      port.copy({
        operation: newOperation(),
        from: mailbox.id,
        uids: firstUid,
        to: { id: inferior.id },
        move: false,
      }),
  },
  expunge: {
    needs: 're',
    call: (port, { mailbox }) =>
      port.expunge({ operation: newOperation(), mailboxId: mailbox.id, uids: undefined, anyFlags: false }),
  },
  readSummaries: { needs: 'r', call: (port, { mailbox }) => port.readSummaries(mailbox.id, firstUid, 1e6) },
  readHeaderFields: {
    needs: 'r',
    call: (port, { mailbox }) => {
      const choice = { names: ['subject'], matching: true };
      return port.readHeaderFields(mailbox.id, firstUid, { choice, bytesMax: 1e6 });
    },
  },
  readMessages: { needs: 'r', call: (port, { mailbox }) => port.readMessages(mailbox.id, firstUid, 1e6) },
  readRange: {
    needs: 'r',
    call: (port, { mailbox }) => port.readRange(mailbox.id, 1 as Uid, { offset: 0, length: 10 }),
  },
  search: { needs: 'r', call: (port, { mailbox }) => port.search(mailbox.id, all) },
  sort: {
    needs: 'r',
    call: (port, { mailbox }) =>
      port.sort(mailbox.id, {
        key: all,
        criteria: [{ field: 'arrival', reverse: false }],
        favoured: undefined,
      }),
  },
  thread: {
    needs: 'r',
    call: (port, { mailbox }) => port.thread(mailbox.id, { key: all, algorithm: 'references' }),
  },
  annotations: { needs: 'l', oneOf: 'rswip', call: (port, { mailbox }) => port.annotations(mailbox.id) },
  setAnnotations: {
    needs: 'lw',
    call: (port, { mailbox }) =>
      port.setAnnotations({
        operation: newOperation(),
        mailboxId: mailbox.id,
        changes: [{ name: '/shared/comment', value: Buffer.from('x') }],
      }),
  },
  acl: { needs: 'a', call: (port, { mailbox }) => port.acl(mailbox.id) },
  setAcl: {
    needs: 'a',
    call: (port, { mailbox }) =>
      port.setAcl({
        operation: newOperation(),
        mailboxId: mailbox.id,
        identifier: 'anyone',
        mode: 'add',
        rights: 'l',
      }),
  },
  quota: { needs: 'r', denied: true, call: (port) => port.quota() },
  accountsSharedWithMe: { never: (port) => port.accountsSharedWithMe() },
  setQuota: { never: (port) => port.setQuota({ operation: newOperation(), bytesMax: 1, messagesMax: 1 }) },
  searchIndex: { never: (port) => port.searchIndex() },
  rebuildSearchIndex: { never: (port) => port.rebuildSearchIndex() },
  sentSizes: { never: (port, { mailbox }) => port.sentSizes(mailbox.id) },
  lockMaildrop: { never: (port) => port.lockMaildrop() },
};

function stageOne(port: AccountPort, staging: OperationId): Promise<void> {
  const messages = [newMessage()];
  return port.stage({ operation: newOperation(), staging, target: { name: 'Team' }, from: 0, messages });
}

function outcomeOf(rule: Extract<Rule, { needs: string }>, rights: string): MailErrorKind | 'done' {
  const has = (right: string): boolean => rights.includes(right);
  if ([...rule.needs].every(has) && (rule.oneOf === undefined || [...rule.oneOf].some(has))) return 'done';
  const isKnown = rights.includes('l') || (rule.askedFirst !== undefined && rights.includes(rule.askedFirst));
  return rule.denied || isKnown ? 'permissionDenied' : 'noSuchMailbox';
}

for (const [method, rule] of Object.entries(rules) as [Method, Rule][]) {
  if ('needs' in rule) {
    test(`${method} needs ${rule.needs}: each right alone, with l, all but one`, async () => {
      const cases = new Set(['', allRights, rule.needs, `l${rule.needs}`]);
      for (const right of allRights) {
        cases.add(right);
        cases.add(right === 'l' ? 'l' : `l${right}`);
        cases.add(allRights.replace(right, ''));
        cases.add(allRights.replace(right, '').replace('l', ''));
      }
      let fixture = await openFixture();
      for (const rights of cases) {
        await fixture.give(rights);
        const outcome = await refusalOf(rule.call(fixture.port, fixture));
        assert.equal(outcome, outcomeOf(rule, rights), `${method} with ${rights}`);
        if (outcome !== 'done') continue;
        await fixture[Symbol.asyncDispose]();
        fixture = await openFixture();
      }
      await fixture[Symbol.asyncDispose]();
    });
  } else if ('never' in rule) {
    test(`${method} is for the owner alone`, async () => {
      await using fixture = await openFixture();
      for (const rights of ['', 'lr', allRights]) {
        await fixture.give(rights);
        assert.equal(await refusalOf(rule.never(fixture.port, fixture)), 'permissionDenied');
      }
    });
  }
}
